"""Opens HDF5 files with h5py and reads everything in them: python3 opens.py FILE… Any surprise is an AssertionError."""

import sys

import h5py
import numpy as np


def check(name, item):
    if not isinstance(item, h5py.Dataset):
        return
    values = item[()]
    if item.is_scale:
        assert item.attrs["long_name"] and (values.dtype == object or "units" in item.attrs), name
        return
    assert name == "fixed" or np.all(np.isfinite(values)), name
    assert all(len(dim) == 1 and "/" not in dim[0].name[1:] for dim in item.dims), name
    assert "long_name" in item.attrs and "units" in item.attrs, name


assert len(sys.argv) > 1
for path in sys.argv[1:]:
    with h5py.File(path) as file:
        assert file.attrs["posteria"] in ("pairs", "posterior", "maps"), path
        assert file.attrs["version"], path
        assert len(file) > 1, path
        file.visititems(check)
