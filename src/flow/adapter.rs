use burn::module::{Module, ModuleDisplay};

use crate::flow::{Conditioner, Field, ParameterGradients, Tile};

/// A network written in ordinary Burn modules: what a user of Burn writes anyway.
pub trait Network: Module + ModuleDisplay + Sync + 'static {
    /// `[batch, inputs, d, h, w]` → `[batch, outputs, d, h, w]`. The result of a sample must not depend on the rest of
    /// its batch.
    fn forward(&self, x: Field) -> Field;
}

/// Makes any [`Network`] the conditioner of a coupling: its gradient comes from an autodiff graph of its own, which
/// lives only while one coupling is pulled back. It is never tiled.
#[derive(Module, Debug)]
pub struct Adapter<M: Network> {
    network: M,
}

impl<M: Network> Adapter<M> {
    /// The conditioner that runs `network`, which must be deterministic: it is evaluated once for the inverse and once for the
    /// gradient, so no dropout.
    pub fn new(network: M) -> Self {
        Self { network }
    }
}

/// A graph that waits for its gradient: the tracked network, its input and its output.
pub struct Graph<M> {
    network: M,
    x: Field,
    y: Field,
}

impl<M: Network> Conditioner for Adapter<M> {
    type Tape = Graph<M>;

    fn apply(&self, tile: Tile) -> Field {
        self.network.forward(tile.field)
    }

    fn apply_taped(&self, tile: Tile) -> (Field, Graph<M>) {
        let network = self.network.clone().train();
        let x = tile.field.autodiff().require_grad();
        let y = network.forward(x.clone());
        (y.clone().inner(), Graph { network, x, y })
    }

    fn pull(&self, tape: Graph<M>, dy: Field, channels: usize, dtheta: &mut ParameterGradients) -> Field {
        let gradients = (tape.y * dy.autodiff()).sum().backward();
        dtheta.add_module(&tape.network, &gradients);
        let dx = match tape.x.grad(&gradients) {
            Some(dx) => dx,
            None => tape.x.inner().zeros_like(),
        };
        if channels == dx.dims()[1] { dx } else { dx.narrow(1, 0, channels) }
    }
}
