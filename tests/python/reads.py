"""Reads with h5py what posteria wrote: python3 reads.py SHARD POSTERIOR. Any surprise is an AssertionError."""

import sys

import h5py
import numpy as np


def check_axes(data, expected):
    """Each axis has one dimension scale, in the root, with these coordinates and this unit."""
    assert len(data.dims) == len(expected)
    for dim, (name, values, unit) in zip(data.dims, expected):
        assert len(dim) == 1 and dim[0].name == "/" + name, (dim[0].name, name)
        np.testing.assert_allclose(dim[0][:], values)
        assert dim[0].attrs["units"] == unit


def counted(name, size):
    return name, range(size), "1"


shard, posterior = sys.argv[1:]

with h5py.File(shard) as file:
    assert file.userblock_size == 0
    assert file.attrs["posteria"] == "pairs"
    assert file.attrs["problem"] == "seed = 5\n# π\n"
    assert file.attrs["seed"] == 2**63 + 5
    assert file.attrs["version"] == "0.1.0"
    x, y = file["x"], file["y"]
    assert x.shape == (4, 1, 3, 4) and x.dtype == np.float32 and x.fletcher32 and x.compression is None
    expected = np.arange(48, dtype=np.float32).reshape(4, 1, 3, 4)
    np.testing.assert_array_equal(x[:], expected)
    np.testing.assert_array_equal(y[:], expected.reshape(4, 12))
    assert x.attrs["units"] == "m/s" and x.attrs["long_name"] == "velocity"
    assert y.attrs["noise"] == "none"
    np.testing.assert_array_equal(x.attrs["spacing"], [12.5, 25.0])
    assert list(x.attrs["spacing_units"]) == ["m", "m"]
    depth, distance = ("depth", 12.5 * np.arange(3), "m"), ("distance", 25.0 * np.arange(4), "m")
    check_axes(x, [counted("sample", 4), counted("channel", 1), depth, distance])
    check_axes(y, [counted("sample", 4), counted("parameter", 12)])

with h5py.File(posterior) as file:
    assert file.attrs["posteria"] == "posterior"
    mean, quantiles = file["mean"], file["quantiles"]
    assert mean.shape == (2, 1, 3, 4) and mean.maxshape[0] is None
    assert mean.compression == "gzip" and mean.compression_opts == 4 and mean.shuffle and mean.fletcher32
    np.testing.assert_array_equal(mean[:], np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4))
    levels = ("level", [0.05, 0.5, 0.95], "1")
    check_axes(quantiles, [counted("record", 2), levels, counted("channel", 1), depth, distance])
    opened = []
    file.visititems(lambda name, item: opened.append(name) if isinstance(item, h5py.Dataset) else None)
    assert sorted(opened) == ["channel", "depth", "distance", "level", "mean", "quantiles", "record"], opened
    assert all(file[name][()] is not None for name in opened)
