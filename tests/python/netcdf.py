"""Opens what posteria wrote as netCDF: python3 netcdf.py SHARD POSTERIOR. Any surprise is an AssertionError."""

import sys

import arviz
import netCDF4
import numpy as np
import xarray

shard, posterior = sys.argv[1:]

for engine in (None, "h5netcdf", "netcdf4"):
    with xarray.open_dataset(shard, engine=engine) as data:
        assert data["x"].dims == ("sample", "channel", "depth", "distance"), (engine, data["x"].dims)
        assert data["y"].dims == ("sample", "parameter")
        np.testing.assert_allclose(data["depth"], 12.5 * np.arange(3))
        assert data["depth"].attrs["units"] == "m" and data["x"].attrs["units"] == "m/s"
        assert data.attrs["posteria"] == "pairs"
    with xarray.open_dataset(posterior, engine=engine) as data:
        assert data["mean"].dims == ("record", "channel", "depth", "distance"), (engine, data["mean"].dims)
        assert data["quantiles"].dims == ("record", "level", "channel", "depth", "distance")
        assert data["samples"].dims == ("record", "draw", "channel", "depth", "distance")
        assert data["observation"].dims == ("record", "observation_channel", "time")
        assert list(data["observation_channel"].values) == ["left", "right"]
        np.testing.assert_allclose(data["level"], [0.05, 0.95])
        np.testing.assert_allclose(data["time"], 1e-3 * np.arange(5))
        assert data["variance"].dtype == np.float64
        np.testing.assert_allclose(data["variance"].values.ravel(), 1e-60 * np.arange(24))
        np.testing.assert_array_equal(data["mean"].values.ravel(), np.arange(24, dtype=np.float32))
        summary = arviz.summary(data[["samples"]].expand_dims("chain"))
        assert len(summary) == 2 * 3 * 4, len(summary)
        np.testing.assert_allclose(summary["mean"].iloc[0], 12 * 49.5)

with netCDF4.Dataset(posterior) as data:
    assert data.dimensions["record"].size == 2 and data["samples"].dimensions[1] == "draw"
    assert data["distance"].units == "m" and data["mean"].units == "m/s"
