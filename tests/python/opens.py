"""Opens HDF5 files with h5py and reads everything in them: python3 opens.py FILE… Any surprise is an AssertionError."""

import sys

import h5py
import numpy as np


def check(name, item):
    if not isinstance(item, h5py.Dataset):
        return
    values = item[()]
    assert name == "fixed" or np.all(np.isfinite(values)), name
    if name.startswith("axes/") or name == "levels":
        assert item.is_scale and "units" in item.attrs, name
        return
    assert all(dim.label for dim in item.dims), (name, [dim.label for dim in item.dims])
    assert "long_name" in item.attrs, name


assert len(sys.argv) > 1
for path in sys.argv[1:]:
    with h5py.File(path) as file:
        assert file.attrs["posteria"] in ("pairs", "posterior", "maps"), path
        assert file.attrs["version"], path
        assert len(file) > 1, path
        file.visititems(check)
