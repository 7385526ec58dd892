mod course;
mod growth;
mod tissue;
mod tube;
mod winding;

use super::texture::Texture;
use super::{Prior, PriorError, between, check_interval, filtered_noise};
use crate::operator::fourier::Fourier;
use course::{Layout, pieces};
use growth::Forest;
use ndarray::{Array3, ArrayD, Axis, IxDyn};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tissue::Tissue;
use winding::Winding;

/// Vessel trees on a textured background, see [`Vessels`]. Lengths are in pixels, values in units of the brightest
/// vessels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct VesselsConfig {
    /// Pixels along each axis, two or three.
    pub shape: Vec<usize>,
    /// Fewest and most trees.
    pub trees: [usize; 2],
    /// Side of the square or cube of tissue that one vessel end supplies: the smaller, the denser. Without it 8.5 in images
    /// and 14 in volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub territory: Option<f64>,
    /// Radius of the smallest vessels; all others follow from it.
    pub radius: f64,
    /// Least and greatest exponent γ of Murray's law.
    pub murray: [f64; 2],
    /// Least and greatest length of thin vessels, over what it was without winding; thick ones wind less.
    pub tortuosity: [f64; 2],
    /// Least and greatest value in the middle of a tree's first vessel; branches are dimmer.
    pub contrast: [f64; 2],
    /// Value of the capillaries; zero for none.
    pub capillaries: f64,
    /// How light decays along the first axis, per pixel: all but the grain is multiplied by exp(−attenuation · index).
    pub attenuation: f64,
    /// Standard deviation of the smooth background.
    pub texture: f64,
    /// Standard deviation of the white background, which gives the images a density.
    pub grain: f64,
}

impl Default for VesselsConfig {
    fn default() -> Self {
        Self {
            shape: vec![64, 64],
            trees: [2, 4],
            territory: None,
            radius: 0.6,
            murray: [2.7, 3.0],
            tortuosity: [1.05, 1.2],
            contrast: [0.6, 1.0],
            capillaries: 0.1,
            attenuation: 0.0,
            texture: 0.02,
            grain: 0.01,
        }
    }
}

/// Vasculature: arterial and venous trees that enter through the borders, branch, taper, wind and cross, above capillaries.
///
/// 1. Two to four trees, arteries and veins in turn, start at different borders. Each circulation fills the tissue on its
///    own by constrained constructive optimisation: ends, all of equal flow, are added where the tissue is farthest from any
///    vessel and joined to the nearest one by the bifurcation of least volume. A vessel that feeds n ends has the radius
///    r n^(1/γ), which is Murray's law r₀^γ = r₁^γ + r₂^γ (Murray 1926, doi:10.1073/pnas.12.3.207; Schreiner and Buxbaum
///    1993, doi:10.1109/10.243413; Karch et al. 1999, doi:10.1016/S0010-4825(98)00045-6).
/// 2. Courses are smooth curves through the bifurcations, displaced by transverse waves of many lengths. Radii pass
///    smoothly from vessel to vessel. A vessel's value falls with its radius^(1/10), by a random factor at each branching, and to half
///    along its last segment.
/// 3. Vessels are drawn as tubes with smooth edges; of those that cross the brightest is seen. Capillaries are the zeros of
///    band-passed Gaussian fields: of one in images, common ones of two in volumes, which are lines in both.
/// 4. All is multiplied by the decay of light, and the background x += decay · texture · f + grain · w is added, with a smooth
///    field f and white noise w, so that the distribution has a density.
///
/// A 64 × 64 image takes about a millisecond. The time grows with the square of the number of ends, which is the size of
/// the image over `territory`².
pub struct Vessels {
    config: VesselsConfig,
    territory: f64,
    texture: Texture,
    fourier: Fourier<f64>,
    /// Spectrum of the fields whose zeros are capillaries, of variance 1.
    mesh: ArrayD<f64>,
}

const TERRITORY: [f64; 2] = [8.5, 14.0];
/// More ends than this take minutes.
const MOST_ENDS: usize = 100_000;
/// Vessels wind on wavelengths from so many territories up to the longest side.
const SHORTEST_WINDING: f64 = 1.5;
/// Distance of neighbouring capillaries, in territories; the relative width of their band of frequencies; how far from zero,
/// in standard deviations of a field, they reach.
const MESH: f64 = 0.9;
const BAND: f64 = 0.3;
const CAPILLARY: f64 = 0.3;

impl Vessels {
    /// # Errors
    /// A parameter outside its domain, by its name in the problem file.
    pub fn new(config: &VesselsConfig) -> Result<Self, PriorError> {
        let parameter = |name, value, remedy| Err(PriorError::Parameter { name, value, remedy });
        let shape = &config.shape;
        if !(2..=3).contains(&shape.len()) {
            return parameter("shape", format!("{shape:?}"), "give the pixels along two or three axes");
        }
        let texture = Texture::new(shape, config.texture, config.grain)?;
        let trees = config.trees.map(|trees| trees as f64);
        check_interval("trees", trees, [1.0, 64.0], "give two whole numbers from 1 to 64, the least first")?;
        check_interval("murray", config.murray, [1.5, 6.0], "give two numbers from 1.5 to 6, the least first")?;
        check_interval("tortuosity", config.tortuosity, [1.0, 1.5], "give two numbers from 1 to 1.5, the least first")?;
        check_interval("contrast", config.contrast, [0.0, 1e6], "give two positive numbers, the least first")?;
        let territory = config.territory.unwrap_or(TERRITORY[shape.len() - 2]);
        for (name, value, least, most, remedy) in [
            ("territory", territory, 2.0, 1e6, "give 2 pixels or more"),
            ("radius", config.radius, 0.1, 1e3, "give a number of pixels from 0.1 up"),
            ("capillaries", config.capillaries, 0.0, 1e6, "give a value, zero for none"),
            ("attenuation", config.attenuation, 0.0, 1e3, "give zero or a positive number"),
        ] {
            if !(least..=most).contains(&value) {
                return parameter(name, value.to_string(), remedy);
            }
        }
        let longest = shape.iter().max().map_or(1.0, |&side| side as f64);
        let fourier = Fourier::new(shape);
        let centre = 1.0 / (2.0 * MESH * territory);
        let mesh = fourier.tabulate(|k| {
            let square: f64 = k.iter().zip(shape).map(|(&k, &n)| (k as f64 / n as f64).powi(2)).sum();
            // The floor keeps a field in images too small for one wave.
            (-0.5 * ((square.sqrt() - centre) / (BAND * centre)).powi(2)).exp() + 1e-6 / longest
        });
        let mean = (&mesh * &fourier.multiplicity()).sum() / fourier.pixels() as f64;
        let vessels = Self { config: config.clone(), territory, texture, fourier, mesh: mesh / mean };
        if vessels.tissue().cells(territory) > MOST_ENDS {
            return parameter(
                "territory",
                territory.to_string(),
                "vessels of this density are too many; give a larger one",
            );
        }
        Ok(vessels)
    }

    /// Pixels along depth, height and width; an image is one plane.
    fn extents(&self) -> [usize; 3] {
        match self.config.shape[..] {
            [height, width] => [1, height, width],
            [depth, height, width] => [depth, height, width],
            _ => [1; 3],
        }
    }

    fn flat(&self) -> bool {
        self.config.shape.len() < 3
    }

    fn tissue(&self) -> Tissue {
        Tissue::about(self.extents(), self.flat())
    }

    /// Arteries and veins, without anything else.
    fn trees(&self, rng: &mut ChaCha8Rng) -> Array3<f32> {
        let config = &self.config;
        let tissue = self.tissue();
        let trunks = tissue.trunks(rng.random_range(config.trees[0]..=config.trees[1]), rng);
        let circulations = trunks.len().min(2);
        let ends = tissue.cells(self.territory) / circulations.max(1);
        let longest = self.extents().into_iter().max().unwrap_or(1) as f64;
        let shortest = (SHORTEST_WINDING * self.territory).min(longest);
        let mut image = Array3::zeros(self.extents());
        for circulation in 0..circulations {
            let trunks: Vec<_> = trunks.iter().skip(circulation).step_by(circulations).copied().collect();
            let forest = Forest::grow(&trunks, ends, &tissue, between(config.murray, rng), rng);
            let winding = Winding::new(between(config.tortuosity, rng), [shortest, longest], self.flat(), rng);
            let contrasts: Vec<f64> = trunks.iter().map(|_| between(config.contrast, rng)).collect();
            let layout = Layout { radius: config.radius, winding: &winding };
            for piece in pieces(&forest, &contrasts, &layout, rng) {
                tube::draw(&mut image, &piece);
            }
        }
        image
    }

    /// Σ g² over as many fields g as make lines of their common zeros.
    fn distance_from_capillaries(&self, rng: &mut ChaCha8Rng) -> ArrayD<f64> {
        let mut distance = ArrayD::zeros(IxDyn(&self.config.shape));
        for _ in 1..self.config.shape.len() {
            distance.zip_mut_with(&filtered_noise(&self.fourier, &self.mesh, rng), |sum, g| *sum += g * g);
        }
        distance
    }
}

impl Prior for Vessels {
    fn shape(&self) -> Vec<usize> {
        std::iter::once(1).chain(self.config.shape.iter().copied()).collect()
    }

    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        let mut image = self.trees(rng).into_dyn();
        if self.flat() {
            image.index_axis_inplace(Axis(0), 0);
        }
        if self.config.capillaries > 0.0 {
            image.zip_mut_with(&self.distance_from_capillaries(rng), |x, &distance| {
                let near = (-0.5 * distance / (CAPILLARY * CAPILLARY)).exp();
                *x = x.max((self.config.capillaries * near) as f32);
            });
        }
        let decay = |index: usize| (-self.config.attenuation * index as f64).exp() as f32;
        image.outer_iter_mut().enumerate().for_each(|(index, mut slab)| slab *= decay(index));
        self.texture.add(image.view_mut(), decay, rng);
        image.insert_axis(Axis(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use ndarray::{ArrayView2, Ix2, s};

    fn draw(config: VesselsConfig, index: u64) -> ArrayD<f32> {
        Vessels::new(&config).unwrap().sample(&mut stream(1, Purpose::Prior, index))
    }

    /// The slope of log N(ε) over log 1/ε, N the number of boxes of side ε = 1, 2, 4, … n/4 that hold a bright pixel.
    fn box_counting_dimension(bright: ArrayView2<bool>) -> f64 {
        let side = bright.nrows();
        let counts = std::iter::successors(Some(1), |&size| (size < side / 4).then_some(2 * size)).map(|size| {
            let boxes = bright.exact_chunks((size, size)).into_iter().filter(|part| part.iter().any(|&b| b)).count();
            (-(size as f64).ln(), (boxes as f64).ln())
        });
        let points: Vec<(f64, f64)> = counts.collect();
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
            / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
    }

    #[test]
    fn box_counting_knows_lines_and_planes() {
        let line = ndarray::Array2::from_shape_fn((64, 64), |(i, j)| i == j);
        assert!((box_counting_dimension(line.view()) - 1.0).abs() < 1e-9);
        assert!((box_counting_dimension(line.mapv(|_| true).view()) - 2.0).abs() < 1e-9);
    }

    /// That of retinal vessels, as it is given most often, is 1.7 (Masters 2004, doi:10.1146/annurev.bioeng.6.040803.140100).
    /// Vessels are what is brighter than 0.2: capillaries and background are not.
    #[test]
    fn vessels_have_the_dimension_of_vasculature() {
        for (side, draws) in [(256, 8), (64, 200)] {
            let config = VesselsConfig { shape: vec![side, side], ..VesselsConfig::default() };
            let dimension = |index| {
                let image = draw(config.clone(), index).into_shape_with_order((side, side)).unwrap();
                box_counting_dimension(image.mapv(|x| x > 0.2).view())
            };
            let mean = (0..draws).map(dimension).sum::<f64>() / draws as f64;
            println!("{side} × {side}: {mean:.3}");
            assert!((1.6..=1.75).contains(&mean), "{side} × {side}: {mean}");
        }
    }

    /// A change of these numbers changes every data set of vessels ever simulated.
    #[test]
    fn a_stream_gives_the_same_vessels_for_ever() {
        let frozen = |config: VesselsConfig, sum: f64, square: f64| {
            let x = draw(config, 4711).mapv(f64::from);
            let found = (x.sum(), x.mapv(|v| v * v).sum());
            assert!((found.0 - sum).abs() < 1e-5 * sum && (found.1 - square).abs() < 1e-5 * square, "{found:?}");
        };
        frozen(VesselsConfig::default(), 863.635102, 450.431430);
        let volume = VesselsConfig { shape: vec![24, 32, 40], attenuation: 0.03, ..VesselsConfig::default() };
        frozen(volume, 844.178982, 126.627287);
    }

    #[test]
    fn images_and_volumes_have_vessels_of_varied_contrast_and_no_flat_part() {
        for shape in [vec![64, 64], vec![48, 80], vec![24, 32, 40]] {
            let mut shares = Vec::new();
            for index in 0..8 {
                let x = draw(VesselsConfig { shape: shape.clone(), ..VesselsConfig::default() }, index);
                assert_eq!(x.shape()[1..], shape);
                assert!(x.iter().all(|v| v.is_finite() && *v != 0.0 && (-0.15..1.2).contains(v)));
                let mut values: Vec<u32> = x.iter().map(|v| v.to_bits()).collect();
                values.sort_unstable();
                values.dedup();
                assert!(values.len() > x.len() * 98 / 100, "values repeat");
                shares.push(x.iter().filter(|&&v| v > 0.2).count() as f64 / x.len() as f64);
            }
            assert!(shares.iter().all(|share| (0.01..0.6).contains(share)), "{shape:?}: {shares:?}");
        }
    }

    #[test]
    fn light_decays_with_depth_and_leaves_the_grain() {
        let config = VesselsConfig { attenuation: 0.2, ..VesselsConfig::default() };
        let (mut top, mut bottom) = (0.0, 0.0);
        for index in 0..10 {
            let x = draw(config.clone(), index);
            let square = |part: ArrayView2<f32>| part.iter().map(|v| f64::from(v * v)).sum::<f64>() / part.len() as f64;
            let plane = x.index_axis(Axis(0), 0).into_dimensionality::<Ix2>().unwrap();
            top += square(plane.slice(s![..16, ..])) / 10.0;
            bottom += square(plane.slice(s![48.., ..])) / 10.0;
        }
        assert!(top > 0.01 && (bottom.sqrt() / 0.01 - 1.0).abs() < 0.1, "{top} {bottom}");
    }

    #[test]
    fn impossible_parameters_are_errors_that_name_them() {
        let refuse = |text: &str, name: &str| {
            let config: VesselsConfig = toml::from_str(text).unwrap();
            let message = Vessels::new(&config).map(drop).unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}`")), "{text}: {message}");
        };
        for (text, name) in [
            ("shape = [64]", "shape"),
            ("shape = [64, 0]", "shape"),
            ("trees = [0, 2]", "trees"),
            ("trees = [3, 2]", "trees"),
            ("territory = 1.0", "territory"),
            ("territory = nan", "territory"),
            ("shape = [4096, 4096]\nterritory = 3.0", "territory"),
            ("radius = 0.0", "radius"),
            ("murray = [3.0, 2.7]", "murray"),
            ("tortuosity = [0.9, 1.1]", "tortuosity"),
            ("contrast = [0.5, nan]", "contrast"),
            ("capillaries = -0.1", "capillaries"),
            ("attenuation = -1.0", "attenuation"),
            ("texture = -1.0", "texture"),
            ("grain = 0.0", "grain"),
        ] {
            refuse(text, name);
        }
        for text in ["shape = [1, 1]", "shape = [2, 300]", "shape = [1, 1, 9]", "trees = [1, 1]", "tortuosity = [1, 1]"]
        {
            let config: VesselsConfig = toml::from_str(text).unwrap();
            let x = draw(config.clone(), 0);
            assert!(x.iter().all(|v| v.is_finite()) && x.shape()[1..] == config.shape, "{text}");
        }
    }
}
