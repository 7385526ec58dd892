"""Writes netCDF-4 files by xarray: python3 packs.py FOLDER. packed.nc holds 1500 + i/100 m/s as int16, one value missing."""

import os
import sys

import numpy as np
import xarray

folder = sys.argv[1]
values = 1500 + np.arange(4 * 5 * 3 * 2).reshape(4, 5, 3, 2) / 100
axes = dict(chain=np.arange(4), draw=np.arange(5), z=-1 + 0.5 * np.arange(3), y=0.2 * np.arange(2))
data = xarray.Dataset({"v": (tuple(axes), values, {"units": "m/s"})}, coords=axes)
data["z"].attrs["units"] = "m"
packing = dict(dtype="int16", scale_factor=0.01, add_offset=1500.0, _FillValue=-32768)
for engine in ("netcdf4", "h5netcdf"):
    data.to_netcdf(os.path.join(folder, f"plain-{engine}.nc"), engine=engine)
    data.to_netcdf(os.path.join(folder, f"packed-{engine}.nc"), engine=engine, encoding={"v": packing})
    holed = data.copy(deep=True)
    holed["v"][3, 2, 1, 0] = np.nan
    holed.to_netcdf(os.path.join(folder, f"holed-{engine}.nc"), engine=engine, encoding={"v": packing})
