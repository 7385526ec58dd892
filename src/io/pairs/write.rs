//! Writing pairs, shard by shard.

use super::PairsInfo;
use super::shards::shard_name;
use crate::io::create::{Create, Kind, Layout, Storage};
use crate::io::error::{IoError, Result};
use crate::io::grid::Grid;
use crate::io::hdf;
use crate::io::partial;
use crate::io::quantity::Quantity;
use crate::io::source::Source;
use ndarray::ArrayViewD;
use std::path::{Path, PathBuf};

/// Writes a collection of pairs into a folder. Each shard appears whole or not at all, so a run that was stopped goes on
/// with the shards that [`PairsWriter::has_shard`] does not find.
///
/// ```
/// use ndarray::{ArrayD, IxDyn};
/// use posteria::io::{Axis, Grid, Pairs, PairsInfo, PairsWriter, Quantity};
///
/// let grid = Grid::new(vec![Axis::new("depth", 4, 12.5, "m"), Axis::new("distance", 4, 12.5, "m")]);
/// let x = Quantity { name: "velocity".into(), unit: "m/s".into(), grid, ..Quantity::default() };
/// let folder = tempfile::tempdir()?;
/// let writer = PairsWriter::create(folder.path(), PairsInfo { x: x.clone(), ..PairsInfo::default() })?;
/// let values = ArrayD::<f32>::zeros(IxDyn(&[10, 1, 4, 4]));
/// writer.write_shard(0, values.view(), values.view())?;
/// assert!(writer.has_shard(0, 10) && !writer.has_shard(1, 10));
/// writer.finish()?;
/// assert_eq!(Pairs::open(folder.path())?.info().x, x);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PairsWriter {
    folder: PathBuf,
    info: PairsInfo,
}

impl PairsWriter {
    /// Makes the folder where it is not there. Shards that are there stay.
    pub fn create(folder: &Path, info: PairsInfo) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| IoError::system(folder, "create the folder", e))?;
        Ok(Self { folder: folder.into(), info })
    }

    /// Where shard `index` is or will be.
    pub fn shard_path(&self, index: usize) -> PathBuf {
        self.folder.join(shard_name(index))
    }

    /// Whether shard `index` is there, sound, with `samples` pairs of the same problem, seed and version. A damaged or
    /// different one counts as absent and will be written anew.
    pub fn has_shard(&self, index: usize, samples: usize) -> bool {
        let Ok(source) = Source::open(&self.shard_path(index)) else {
            return false;
        };
        let ours = &self.info.provenance;
        source.kind() == Some(Kind::Pairs.name())
            && source.text("problem").as_deref() == Some(&ours.problem)
            && source.text("version").as_deref() == Some(&ours.version)
            && source.integer("seed") == Some(ours.seed)
            && ["x", "y"].iter().all(|name| source.rows(name).is_ok_and(|rows| rows.len() == samples))
    }

    /// Writes shard `index`: x and y with one row a pair, `[sample, channel, axes…]`, finite numbers.
    pub fn write_shard(&self, index: usize, x: ArrayViewD<'_, f32>, y: ArrayViewD<'_, f32>) -> Result<()> {
        let path = self.shard_path(index);
        if x.shape().first() != y.shape().first() {
            return Err(IoError::content(
                path.display().to_string(),
                format!("x {:?} and y {:?} differ in the number of samples", x.shape(), y.shape()),
                "give one y for every x",
            ));
        }
        let mut create = Create::new(&path, Kind::Pairs, &self.info.provenance)?;
        self.write(&mut create, "x", &self.info.x, x)?;
        let y = self.write(&mut create, "y", &self.info.y, y)?;
        hdf::put_text(&y, "noise", self.info.noise.name()).map_err(|e| create.failed(&e))?;
        drop(y);
        create.finish()
    }

    /// Ends the collection: removes what an interrupted run left unfinished in the folder.
    pub fn finish(self) -> Result<()> {
        partial::tidy(&self.folder)
    }

    fn write(
        &self,
        create: &mut Create,
        name: &str,
        quantity: &Quantity,
        values: ArrayViewD<'_, f32>,
    ) -> Result<hdf5::Dataset> {
        crate::io::finite_or_error(values.view(), &format!("{}:/{name}", create.path().display()))?;
        let grid = match values.shape() {
            [_, _, sizes @ ..] if quantity.grid.axes.is_empty() => Grid::of_pixels(sizes),
            _ => quantity.grid.clone(),
        };
        let labels = if grid.axes.is_empty() { ["sample", "parameter"] } else { ["sample", "channel"] };
        let layout = Layout { labels: &labels, quantity: Quantity { grid, ..quantity.clone() }, ..Layout::default() };
        let data = create.dataset(name, values.shape(), &layout, Storage::Plain)?;
        data.write(&values.as_standard_layout()).map_err(|e| create.failed(&e))?;
        Ok(data)
    }
}
