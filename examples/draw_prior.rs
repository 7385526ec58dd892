//! Images before any data: what a prior believes.
//!
//!     cargo run --release --example draw_prior -- FOLDER [PROBLEM]
//!
//! Draws sixteen images, FOLDER/prior.png, from the `[prior]` of a problem file, or sixteen vessel images where none is named. Look at them
//! before you train: a posterior is made of such images. Volumes are shown as maximum projections along their first axis.

use std::error::Error;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, Axis};
use posteria::figure::{Content, Figure, Palette, Panel, extent};
use posteria::io::Grid;
use posteria::prior::{PriorConfig, VesselsConfig};
use posteria::problem::{Problem, Size};
use posteria::random::{Purpose, stream};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let figure = folder.join("prior.png");
    let (config, seed, title) = match arguments.next() {
        Some(problem) => {
            let problem = Problem::read(Path::new(&problem), Size::Plain)?;
            let prior = problem.prior.ok_or("this problem has pairs of its own and no [prior]; name another one")?;
            (prior, problem.seed, problem.title)
        }
        None => (PriorConfig::Vessels(VesselsConfig::default()), 1, "Vessels".to_owned()),
    };

    // Draw i is a function of the seed and i alone: whoever asks, on any machine, in any order, gets this image.
    let prior = config.build()?;
    let images: Vec<ArrayD<f32>> = (0..16).map(|i| shown(prior.sample(&mut stream(seed, Purpose::Prior, i)))).collect();

    let range = extent(images.iter().flatten());
    let panel = |(i, image): (usize, &ArrayD<f32>)| Panel {
        title: format!("Draw {i}"),
        unit: String::new(),
        grid: Grid::of_pixels(image.shape()),
        content: Content::Map { values: image.clone(), palette: Palette::Value, range },
    };
    let panels: Vec<Panel> = images.iter().enumerate().map(panel).collect();
    Figure { title, rows: panels.chunks(4).map(<[Panel]>::to_vec).collect() }.write_png(&figure)?;
    println!("{}", figure.display());
    Ok(())
}

/// The first channel; of a volume what is brightest along its first axis.
fn shown(image: ArrayD<f32>) -> ArrayD<f32> {
    let image = image.index_axis_move(Axis(0), 0);
    if image.ndim() < 3 { image } else { image.fold_axis(Axis(0), f32::NEG_INFINITY, |&most, &value| most.max(value)) }
}
