//! The few calls of libhdf5 that its Rust wrapper lacks or makes on trust, wrapped so that a damaged or foreign file gives
//! an error: types are looked at before anything is read, sizes are bounded, text is checked to be UTF-8.
//!
//! All `unsafe` of this room is here. Every raw call holds the library's one lock ([`hdf5::sync::sync`]), which also
//! silences the error stack that libhdf5 would print.

use hdf5::types::VarLenUnicode;
use hdf5::{Attribute, Container, Dataset, Dataspace, Datatype, Group, H5Type, Location};
use hdf5_sys::h5::{H5free_memory, hsize_t};
use hdf5_sys::h5a::H5Aread;
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5i::{H5Iget_name, hid_t};
use hdf5_sys::h5l::H5Lget_val;
use hdf5_sys::h5p::{H5P_DEFAULT, H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename};
use hdf5_sys::h5s::{H5S_ALL, H5S_seloper_t, H5Sselect_hyperslab};
use hdf5_sys::h5t::{
    H5T_class_t, H5T_order_t, H5T_sign_t, H5Tget_class, H5Tget_order, H5Tget_sign, H5Tis_variable_str,
};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

/// No attribute of ours is longer; a longer one is taken as absent.
const ATTRIBUTE_LIMIT: usize = 1 << 24;
/// Bytes of a link's target that are looked at.
const LINK_LIMIT: usize = 1 << 12;

unsafe extern "C" {
    fn H5DSset_scale(scale: hid_t, name: *const c_char) -> c_int;
    fn H5DSattach_scale(data: hid_t, scale: hid_t, axis: c_uint) -> c_int;
    fn H5DSiterate_scales(
        data: hid_t,
        axis: c_uint,
        start: *mut c_int,
        visit: unsafe extern "C" fn(hid_t, c_uint, hid_t, *mut c_void) -> c_int,
        found: *mut c_void,
    ) -> c_int;
}

/// The class of a datatype: all that decides how its values may be read.
fn class(dtype: &Datatype) -> H5T_class_t {
    hdf5::sync::sync(|| unsafe { H5Tget_class(dtype.id()) })
}

/// Whether the values are integers or floating-point numbers of any size and byte order.
pub fn is_numeric(of: &Container) -> bool {
    of.dtype().is_ok_and(|dtype| matches!(class(&dtype), H5T_class_t::H5T_INTEGER | H5T_class_t::H5T_FLOAT))
}

/// A datatype as numpy writes it: `<f4`, `>i8`, `|u1`; other classes in words.
pub fn type_name(of: &Container) -> String {
    let Ok(dtype) = of.dtype() else {
        return "an unreadable type".into();
    };
    let (order, sign) = hdf5::sync::sync(|| unsafe { (H5Tget_order(dtype.id()), H5Tget_sign(dtype.id())) });
    let order = match order {
        _ if dtype.size() == 1 => "|",
        H5T_order_t::H5T_ORDER_BE => ">",
        _ => "<",
    };
    let letter = match class(&dtype) {
        H5T_class_t::H5T_INTEGER if sign == H5T_sign_t::H5T_SGN_NONE => "u",
        H5T_class_t::H5T_INTEGER => "i",
        H5T_class_t::H5T_FLOAT => "f",
        H5T_class_t::H5T_STRING => return "text".into(),
        H5T_class_t::H5T_ENUM => return "enumeration or boolean".into(),
        H5T_class_t::H5T_COMPOUND => return "compound".into(),
        H5T_class_t::H5T_COMPLEX => return "complex".into(),
        H5T_class_t::H5T_REFERENCE => return "reference".into(),
        _ => return "other".into(),
    };
    format!("{order}{letter}{}", dtype.size())
}

/// Reads the box `start .. start + count` into `out`, converted to its type. The dataset must be numeric.
pub fn read_box<T: H5Type>(from: &Dataset, start: &[usize], count: &[usize], out: &mut [T]) -> hdf5::Result<()> {
    let space = from.space()?;
    let elements = count.iter().try_fold(1usize, |n, &c| n.checked_mul(c));
    if !is_numeric(from) || elements != Some(out.len()) || space.ndim() != count.len() || start.len() != count.len() {
        return Err("box, buffer and dataset disagree".into());
    }
    let memory_type = Datatype::from_type::<T>()?;
    if count.is_empty() {
        return call(|| unsafe {
            H5Dread(from.id(), memory_type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, out.as_mut_ptr().cast())
        });
    }
    if out.is_empty() {
        return Ok(());
    }
    // Of the rank of the file's space: libhdf5 is ten times slower between spaces of different rank.
    let memory = Dataspace::try_new(count)?;
    let start: Vec<hsize_t> = start.iter().map(|&s| s as hsize_t).collect();
    let count: Vec<hsize_t> = count.iter().map(|&c| c as hsize_t).collect();
    // SAFETY: both vectors have the rank of `space`; `out` holds as many numbers of the memory type as the box has elements. libhdf5 refuses a
    // box that leaves the dataset.
    call(|| unsafe {
        let set = H5S_seloper_t::H5S_SELECT_SET;
        let none = std::ptr::null();
        match H5Sselect_hyperslab(space.id(), set, start.as_ptr(), none, count.as_ptr(), none) {
            0.. => H5Dread(from.id(), memory_type.id(), memory.id(), space.id(), H5P_DEFAULT, out.as_mut_ptr().cast()),
            bad => bad,
        }
    })
}

/// Writes a number as a scalar attribute.
pub fn put<T: H5Type>(at: &Location, name: &str, value: &T) -> hdf5::Result<()> {
    at.new_attr::<T>().shape(()).create(name)?.write_scalar(value)
}

/// Writes a list of numbers as an attribute.
pub fn put_numbers(at: &Location, name: &str, values: &[f64]) -> hdf5::Result<()> {
    at.new_attr_builder().with_data(values).create(name).map(drop)
}

/// Writes text as a scalar attribute of variable length, UTF-8.
pub fn put_text(at: &Location, name: &str, value: &str) -> hdf5::Result<()> {
    put(at, name, &text_value(value)?)
}

/// Writes a list of texts as an attribute.
pub fn put_texts(at: &Location, name: &str, values: &[String]) -> hdf5::Result<()> {
    let values: Vec<VarLenUnicode> = values.iter().map(|v| text_value(v)).collect::<hdf5::Result<_>>()?;
    at.new_attr_builder().with_data(&values).create(name).map(drop)
}

pub fn text_value(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.parse().map_err(|_| format!("text with a zero byte: {value:?}").into())
}

/// The texts of an attribute, or nothing where it is absent, of another type or unreadable.
pub fn texts(at: &Location, name: &str) -> Option<Vec<String>> {
    let attribute = at.attr(name).ok()?;
    let dtype = attribute.dtype().ok()?;
    if class(&dtype) != H5T_class_t::H5T_STRING {
        return None;
    }
    let number = attribute.space().ok()?.size();
    let variable = hdf5::sync::sync(|| unsafe { H5Tis_variable_str(dtype.id()) });
    match variable {
        0 => fixed_texts(&attribute, &dtype, number),
        1.. => variable_texts(&attribute, &dtype, number),
        _ => None,
    }
}

fn fixed_texts(attribute: &Attribute, dtype: &Datatype, number: usize) -> Option<Vec<String>> {
    let size = dtype.size();
    let bytes = number.checked_mul(size).filter(|&bytes| size > 0 && bytes <= ATTRIBUTE_LIMIT)?;
    let mut buffer = vec![0u8; bytes];
    // SAFETY: the memory type is the attribute's own, so exactly `number * size` bytes are written.
    call(|| unsafe { H5Aread(attribute.id(), dtype.id(), buffer.as_mut_ptr().cast()) }).ok()?;
    let text = |bytes: &[u8]| {
        let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).trim_end().to_owned()
    };
    Some(buffer.chunks(size).map(text).collect())
}

fn variable_texts(attribute: &Attribute, dtype: &Datatype, number: usize) -> Option<Vec<String>> {
    if number > ATTRIBUTE_LIMIT / size_of::<*mut c_char>() {
        return None;
    }
    let mut pointers: Vec<*mut c_char> = vec![std::ptr::null_mut(); number];
    // SAFETY: a variable-length string is one pointer in memory; libhdf5 allocates the text with its final zero.
    hdf5::sync::sync(|| unsafe {
        call(|| H5Aread(attribute.id(), dtype.id(), pointers.as_mut_ptr().cast())).ok()?;
        let read = pointers.iter().map(|&pointer| {
            if pointer.is_null() {
                return String::new();
            }
            let text = CStr::from_ptr(pointer).to_string_lossy().into_owned();
            H5free_memory(pointer.cast());
            text
        });
        Some(read.collect())
    })
}

/// The first text of an attribute.
pub fn text(at: &Location, name: &str) -> Option<String> {
    texts(at, name)?.into_iter().next()
}

/// The numbers of an attribute, or nothing where it is absent, of another type or unreadable.
pub fn numbers<T: H5Type>(at: &Location, name: &str) -> Option<Vec<T>> {
    let attribute = at.attr(name).ok()?;
    let number = attribute.space().ok()?.size();
    if !is_numeric(&attribute) || number > ATTRIBUTE_LIMIT / 8 {
        return None;
    }
    attribute.read_raw().ok()
}

/// Makes a dataset a dimension scale called `name`.
pub fn make_scale(scale: &Dataset, name: &str) -> hdf5::Result<()> {
    let name = c_text(name)?;
    call(|| unsafe { H5DSset_scale(scale.id(), name.as_ptr()) })
}

/// Attaches a dimension scale to an axis of a dataset.
pub fn attach_scale(data: &Dataset, axis: usize, scale: &Dataset) -> hdf5::Result<()> {
    call(|| unsafe { H5DSattach_scale(data.id(), scale.id(), axis as c_uint) })
}

/// The path of the first dimension scale that is attached to an axis, such as `/time`.
pub fn attached_scale(data: &Dataset, axis: usize) -> Option<String> {
    /// Keeps the path of the scale in the `Option<String>` behind `found`, and ends the walk over scales.
    unsafe extern "C" fn keep(_data: hid_t, _axis: c_uint, scale: hid_t, found: *mut c_void) -> c_int {
        // SAFETY: `found` is the pointer that is given to `H5DSiterate_scales` below; a buffer of one byte more than the
        // length that libhdf5 states holds the name with its final zero.
        unsafe {
            let length = H5Iget_name(scale, std::ptr::null_mut(), 0);
            if let Ok(length @ 1..) = usize::try_from(length) {
                let mut name = vec![0u8; length + 1];
                H5Iget_name(scale, name.as_mut_ptr().cast(), name.len());
                name.truncate(length);
                *found.cast::<Option<String>>() = String::from_utf8(name).ok();
            }
        }
        1
    }
    let mut found: Option<String> = None;
    // SAFETY: `found` outlives the call, during which nothing else touches it.
    call(|| unsafe {
        let axis = axis as c_uint;
        H5DSiterate_scales(data.id(), axis, std::ptr::null_mut(), keep, std::ptr::from_mut(&mut found).cast())
    })
    .ok()?;
    found
}

/// File and dataset of each source of a virtual dataset, as it names them; of any other dataset none.
pub fn virtual_sources(data: &Dataset) -> hdf5::Result<Vec<(String, String)>> {
    let plist = data.create_plist()?;
    let mut count = 0;
    // SAFETY: libhdf5 writes one number into `count`. Of another layout it refuses to.
    if call(|| unsafe { H5Pget_virtual_count(plist.id(), &raw mut count) }).is_err() {
        return Ok(Vec::new());
    }
    let text = |read: &dyn Fn(*mut c_char, usize) -> isize| {
        let mut name = vec![0u8; LINK_LIMIT];
        let length = hdf5::sync::sync(|| read(name.as_mut_ptr().cast(), LINK_LIMIT));
        name.truncate(usize::try_from(length).unwrap_or(0).min(LINK_LIMIT - 1));
        String::from_utf8_lossy(&name).into_owned()
    };
    // SAFETY: libhdf5 writes at most as many bytes as it is told the buffer has.
    let source = |index: usize| unsafe {
        let file = text(&|name, size| H5Pget_virtual_filename(plist.id(), index, name, size));
        (file, text(&|name, size| H5Pget_virtual_dsetname(plist.id(), index, name, size)))
    };
    Ok((0..count).map(source).collect())
}

/// Where a link leads that is no object itself.
pub enum Target {
    /// A path in the same file.
    Inside(String),
    /// A path in another file.
    Outside {
        /// Its name, as the link has it.
        file: String,
        /// The path in it.
        path: String,
    },
}

/// Where a soft or external link leads; nothing where the link cannot be read.
pub fn link_target(group: &Group, name: &str) -> Option<Target> {
    let name = c_text(name).ok()?;
    let mut value = vec![0u8; LINK_LIMIT];
    // SAFETY: libhdf5 writes at most as many bytes as it is told the buffer has.
    call(|| unsafe {
        // One byte less: the text ends with a zero whatever its length is.
        H5Lget_val(group.id(), name.as_ptr(), value.as_mut_ptr().cast(), LINK_LIMIT - 1, H5P_DEFAULT)
    })
    .ok()?;
    let text = |bytes: &[u8]| {
        let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    // The value of an external link has a byte of version and flags, which is zero, in front of its two texts.
    match value.first() {
        Some(0) => {
            let file = text(&value[1..]);
            let path = text(value.get(file.len() + 2..).unwrap_or_default());
            Some(Target::Outside { file, path })
        }
        _ => Some(Target::Inside(text(&value))),
    }
}

fn c_text(text: &str) -> hdf5::Result<CString> {
    CString::new(text).map_err(|_| format!("text with a zero byte: {text:?}").into())
}

/// One call under the lock; a negative return code becomes libhdf5's error stack, which the lock protects too.
fn call(raw: impl FnOnce() -> c_int) -> hdf5::Result<()> {
    hdf5::sync::sync(|| hdf5::h5check(raw()).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdf5::types::FixedAscii;

    fn scratch() -> (tempfile::TempDir, hdf5::File) {
        let folder = tempfile::tempdir().unwrap();
        let file = hdf5::File::create(folder.path().join("a.h5")).unwrap();
        (folder, file)
    }

    #[test]
    fn text_attributes_of_either_kind_are_read() {
        let (_folder, file) = scratch();
        put_text(&file, "variable", "m/s · π").unwrap();
        put_texts(&file, "list", &["a".into(), String::new(), "γ".into()]).unwrap();
        let fixed = FixedAscii::<8>::from_ascii("km").unwrap();
        put(&file, "fixed", &fixed).unwrap();
        put(&file, "number", &3i64).unwrap();
        assert_eq!(text(&file, "variable").unwrap(), "m/s · π");
        assert_eq!(texts(&file, "list").unwrap(), ["a", "", "γ"]);
        assert_eq!(text(&file, "fixed").unwrap(), "km");
        assert_eq!(text(&file, "number"), None);
        assert_eq!(text(&file, "absent"), None);
        assert_eq!(numbers::<f64>(&file, "number").unwrap(), [3.0]);
        assert_eq!(numbers::<f64>(&file, "variable"), None);
    }

    #[test]
    fn a_box_is_read_and_wrong_boxes_are_refused() {
        let (_folder, file) = scratch();
        let values = ndarray::Array2::from_shape_fn((4, 5), |(i, j)| (10 * i + j) as i16);
        let data = file.new_dataset_builder().with_data(&values).create("d").unwrap();
        let mut out = [0.0; 4];
        read_box(&data, &[1, 3], &[2, 2], &mut out).unwrap();
        assert_eq!(out, [13.0, 14.0, 23.0, 24.0]);
        assert!(read_box(&data, &[3, 3], &[2, 2], &mut out).is_err());
        assert!(read_box(&data, &[0, 0], &[2, 3], &mut out).is_err());
        assert!(read_box(&data, &[0], &[4], &mut out).is_err());
        assert_eq!(type_name(&data), "<i2");
    }
}
