"""Writes with h5py and numpy what users write: python3 writes.py FOLDER. Every file holds the same pairs."""

import pathlib
import sys

import h5py
import numpy as np

folder = pathlib.Path(sys.argv[1])
x = np.arange(6 * 1 * 3 * 4).reshape(6, 1, 3, 4)
y = 2 * np.arange(6 * 5).reshape(6, 5)


def write(name, dtype, file_options=None, **options):
    with h5py.File(folder / name, "w", **(file_options or {})) as file:
        file.create_dataset("x", data=x.astype(dtype), **options)
        file.create_dataset("y", data=y.astype(dtype), **options)


write("contiguous.h5", "<f4")
write("chunked.h5", "<f4", chunks=True)
write("gzip.h5", "<f4", compression="gzip", shuffle=True)
write("lzf.h5", "<f4", compression="lzf")
write("checked.h5", "<f4", fletcher32=True, maxshape=None)
write("f64.h5", "<f8")
write("f16.h5", "<f2")
write("big.h5", ">f4")
write("big64.h5", ">f8", compression="gzip")
write("i8.h5", "i1")
write("u2big.h5", ">u2")
write("i64.h5", "<i8")
write("latest.h5", "<f4", file_options={"libver": "latest"})
write("block.h5", "<f4", file_options={"userblock_size": 1024})
write("described.h5", "<f4")

# A MATLAB file: HDF5 behind a user block of text.
write("matlab.h5", "<f8", file_options={"userblock_size": 512})
with open(folder / "matlab.h5", "r+b") as file:
    file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116))

with h5py.File(folder / "described.h5", "r+") as file:
    file.attrs["seed"] = "not a number"
    file["x"].attrs["units"] = np.bytes_("m/s")
    file["x"].attrs["long_name"] = "velocity"
    file["x"].attrs["spacing"] = [10.0, 20.0]
    file["x"].attrs["spacing_units"] = ["m", "m"]
    file["x"].dims[2].label = "depth"
    file["y"].attrs["noise"] = "none"
    file["y"].attrs["units"] = 3.0

np.save(folder / "c.npy", x.astype(">f8"))
np.save(folder / "fortran.npy", np.asfortranarray(x.astype("<f2")))
