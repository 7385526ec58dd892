//! Walks over the parameters of a module, in visit order: the one order that is the same in every process.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};

/// One parameter: its path in the module, identity and shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Names of the modules around it, with dots: the same in every process.
    pub path: String,
    /// Random in every process.
    pub id: ParamId,
    /// Before it is flattened.
    pub shape: Vec<usize>,
}

/// All float parameters with their values flattened, in visit order.
pub fn parameters<M: Module>(module: &M) -> Vec<(Parameter, Tensor<1>)> {
    let mut visitor = Collect { path: Vec::new(), found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// Type and device of the first float parameter, which are those of all unless a user's network says otherwise.
pub(super) fn home<M: Module>(module: &M) -> Option<(DType, Device)> {
    let mut first = First(None);
    module.visit(&mut first);
    first.0
}

/// Replaces every float parameter, in visit order, by what `f` makes of its description and flattened value.
pub fn map_parameters<M: Module>(module: M, f: &mut dyn FnMut(&Parameter, Tensor<1>) -> Tensor<1>) -> M {
    module.map(&mut Replace { path: Vec::new(), f })
}

/// The module with its float parameters in another type.
pub fn cast<M: Module>(module: M, dtype: DType) -> M {
    map_parameters(module, &mut |_, value| value.cast(dtype))
}

struct Collect {
    path: Vec<String>,
    found: Vec<(Parameter, Tensor<1>)>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let parameter = Parameter { path: self.path.join("."), id: param.id, shape: value.dims().to_vec() };
        self.found.push((parameter, value.reshape([-1])));
    }
}

struct First(Option<(DType, Device)>);

impl ModuleVisitor for First {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.0.is_none() {
            let value = param.val();
            self.0 = Some((value.dtype(), value.device()));
        }
    }
}

struct Replace<'a> {
    path: Vec<String>,
    f: &'a mut dyn FnMut(&Parameter, Tensor<1>) -> Tensor<1>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        let parameter = Parameter { path: self.path.join("."), id: param.id, shape: shape.to_vec() };
        param.map(|value| (self.f)(&parameter, value.reshape([-1])).reshape(shape))
    }
}
