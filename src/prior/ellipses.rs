use super::texture::Texture;
use super::{Prior, PriorError, between, check_interval};
use ndarray::{Array3, ArrayD, Axis, IxDyn};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Random ellipses or ellipsoids on a textured background, see [`Ellipses`]. Lengths are in pixels unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct EllipsesConfig {
    /// Pixels along each axis, two or three.
    pub shape: Vec<usize>,
    /// Fewest and most ellipses within the body.
    pub number: [usize; 2],
    /// Least and greatest semi-axis, as shares of the shortest side.
    pub size: [f64; 2],
    /// Least and greatest value an ellipse adds where it is.
    pub contrast: [f64; 2],
    /// Value of the body, one large ellipse about the centre that all others lie in; zero for none.
    pub body: f64,
    /// Width over which an edge rises.
    pub edge: f64,
    /// Standard deviation of the smooth background.
    pub texture: f64,
    /// Standard deviation of the white background, which gives the images a density.
    pub grain: f64,
}

impl Default for EllipsesConfig {
    fn default() -> Self {
        Self {
            shape: vec![64, 64],
            number: [4, 10],
            size: [0.04, 0.2],
            contrast: [-0.25, 0.5],
            body: 0.4,
            edge: 1.5,
            texture: 0.02,
            grain: 0.01,
        }
    }
}

/// Random ellipses or ellipsoids within a large one, as in the phantoms of tomography.
///
/// x(p) = Σᵢ cᵢ S((1 − qᵢ)/|∇qᵢ|) + texture, with qᵢ(p)² = (p − mᵢ)ᵀ Rᵢ diag(a⁻²) Rᵢᵀ (p − mᵢ): the ratio is the distance
/// from the edge, and S rises smoothly from 0 to 1 over the width of an edge. Number, centres, semi-axes
/// (log-uniform), rotations and contrasts cᵢ are independent. Shepp and Logan 1974, doi:10.1109/TNS.1974.6499235; random
/// ones as in Adler and Öktem 2017, doi:10.1088/1361-6420/aa9581.
pub struct Ellipses {
    config: EllipsesConfig,
    texture: Texture,
}

/// Semi-axes of the body, as shares of half a side.
const BODY: [f64; 2] = [0.75, 0.92];
/// Centres of the others lie within this share of the body.
const WITHIN: f64 = 0.75;

type Point = [f64; 3];

impl Ellipses {
    /// # Errors
    /// A parameter outside its domain, by its name in the problem file.
    pub fn new(config: &EllipsesConfig) -> Result<Self, PriorError> {
        let parameter = |name, value, remedy| Err(PriorError::Parameter { name, value, remedy });
        let shape = &config.shape;
        if !(2..=3).contains(&shape.len()) {
            return parameter("shape", format!("{shape:?}"), "give the pixels along two or three axes");
        }
        let number = config.number.map(|number| number as f64);
        check_interval("number", number, [0.0, 1e4], "give two whole numbers up to 10000, the least first")?;
        check_interval("size", config.size, [1e-3, 2.0], "give two shares from 0.001 to 2, the least first")?;
        check_interval("contrast", config.contrast, [-1e6, 1e6], "give two numbers, the least first")?;
        if !config.body.is_finite() {
            return parameter("body", config.body.to_string(), "give a finite number");
        }
        if !(config.edge > 0.0 && config.edge.is_finite()) {
            return parameter("edge", config.edge.to_string(), "give a positive number of pixels, such as 1.5");
        }
        Ok(Self { config: config.clone(), texture: Texture::new(shape, config.texture, config.grain)? })
    }

    /// Sides along depth, height and width; an image lies in one plane.
    fn sides(&self) -> [usize; 3] {
        match self.config.shape[..] {
            [depth, height, width] => [depth, height, width],
            [height, width] => [1, height, width],
            _ => [1, 1, 1],
        }
    }
}

impl Prior for Ellipses {
    fn shape(&self) -> Vec<usize> {
        std::iter::once(1).chain(self.config.shape.iter().copied()).collect()
    }

    fn sample(&self, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
        let EllipsesConfig { number, size, contrast, body, edge, ref shape, .. } = self.config;
        let sides = self.sides();
        let flat = shape.len() < 3;
        let half = sides.map(|side| side as f64 / 2.0);
        let centre = sides.map(|side| (side as f64 - 1.0) / 2.0);
        let shortest = shape.iter().min().map_or(1.0, |&side| side as f64);
        let mut image = Array3::zeros(sides);
        let extents = half.map(|half| half * between(BODY, rng));
        if body != 0.0 {
            // Turned by no more than the sides allow.
            Ellipse { centre, axes: extents, turn: upright(), contrast: body }.draw(&mut image, edge);
        }
        for _ in 0..rng.random_range(number[0]..=number[1]) {
            let place = in_ball(flat, rng);
            let centre = std::array::from_fn(|a| centre[a] + WITHIN * extents[a] * place[a]);
            let axes = std::array::from_fn(|_| shortest * between(size.map(f64::ln), rng).exp());
            Ellipse { centre, axes, turn: turn(flat, rng), contrast: between(contrast, rng) }.draw(&mut image, edge);
        }
        let mut image = image.into_dyn();
        if flat {
            image.index_axis_inplace(Axis(0), 0);
        }
        debug_assert_eq!(image.raw_dim(), IxDyn(shape));
        self.texture.add(image.view_mut(), |_| 1.0, rng);
        image.insert_axis(Axis(0))
    }
}

struct Ellipse {
    centre: Point,
    axes: Point,
    /// Rows are the directions of the semi-axes.
    turn: [Point; 3],
    contrast: f64,
}

impl Ellipse {
    fn draw(&self, image: &mut Array3<f32>, edge: f64) {
        let reach = self.axes.iter().fold(0.0, |r: f64, &a| r.max(a)) + edge;
        let range = |axis: usize, side: usize| {
            let low = (self.centre[axis] - reach).ceil().max(0.0) as usize;
            let high = (self.centre[axis] + reach).floor().min(side as f64 - 1.0);
            low..if high < 0.0 { low } else { high as usize + 1 }
        };
        let (depth, height, width) = image.dim();
        for z in range(0, depth) {
            for y in range(1, height) {
                for x in range(2, width) {
                    let from = [z as f64, y as f64, x as f64];
                    let share = self.share(std::array::from_fn(|a| from[a] - self.centre[a]), edge);
                    image[[z, y, x]] += (self.contrast * share) as f32;
                }
            }
        }
    }

    /// How much of a place lies inside, from 0 to 1.
    fn share(&self, from: Point, edge: f64) -> f64 {
        let (mut square, mut slope) = (0.0, 0.0);
        for (direction, axis) in self.turn.iter().zip(self.axes) {
            let along: f64 = (0..3).map(|a| direction[a] * from[a]).sum();
            square += (along / axis).powi(2);
            slope += (along / (axis * axis)).powi(2);
        }
        if slope == 0.0 {
            return 1.0;
        }
        let level = square.sqrt();
        let distance = (1.0 - level) * level / slope.sqrt();
        let rise = (distance / edge + 0.5).clamp(0.0, 1.0);
        rise * rise * (3.0 - 2.0 * rise)
    }
}

/// A uniform place in the unit disc or ball.
fn in_ball(flat: bool, rng: &mut ChaCha8Rng) -> Point {
    loop {
        let place: Point = std::array::from_fn(|a| if flat && a == 0 { 0.0 } else { between([-1.0, 1.0], rng) });
        if place.iter().map(|p| p * p).sum::<f64>() <= 1.0 {
            return place;
        }
    }
}

fn upright() -> [Point; 3] {
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
}

/// A uniform rotation, in the plane or in space: that of a uniform unit quaternion.
fn turn(flat: bool, rng: &mut ChaCha8Rng) -> [Point; 3] {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let [w, x, y, z] = match flat {
        true => [normal(), normal(), 0.0, 0.0],
        false => [normal(), normal(), normal(), normal()],
    };
    let s = 2.0 / (w * w + x * x + y * y + z * z).max(1e-300);
    [
        [1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
        [s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x)],
        [s * (x * z - w * y), s * (y * z + w * x), 1.0 - s * (x * x + y * y)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn draw(config: &EllipsesConfig, index: u64) -> ArrayD<f32> {
        Ellipses::new(config).unwrap().sample(&mut stream(1, Purpose::Prior, index))
    }

    #[test]
    fn an_ellipse_has_its_volume_wherever_it_lies_and_however_it_is_turned() {
        for (flat, sides, volume) in [(true, [1, 64, 64], 1.0), (false, [40, 40, 40], 4.0 / 3.0)] {
            for index in 0..20 {
                let mut rng = stream(2, Purpose::Prior, index);
                let axes: Point = std::array::from_fn(|_| between([5.0, 12.0], &mut rng));
                let centre =
                    sides.map(|side| side as f64 / 2.0 - 0.5 + if side > 1 { rng.random::<f64>() } else { 0.0 });
                let mut image = Array3::zeros(sides);
                Ellipse { centre, axes, turn: turn(flat, &mut rng), contrast: 0.5 }.draw(&mut image, 1.5);
                let sum: f64 = image.iter().map(|&v| f64::from(v)).sum();
                let axes = if flat { &axes[1..] } else { &axes };
                let expected = 0.5 * volume * std::f64::consts::PI * axes.iter().product::<f64>();
                assert!((sum / expected - 1.0).abs() < 0.03, "{flat} {index}: {sum} {expected}");
            }
        }
    }

    /// A change of these numbers changes every data set of phantoms ever simulated.
    #[test]
    fn a_stream_gives_the_same_phantom_for_ever() {
        for (shape, sum, square) in
            [(vec![64, 64], 951.285049, 460.385708), (vec![16, 24, 32], 1386.394606, 577.627770)]
        {
            let x = draw(&EllipsesConfig { shape, ..EllipsesConfig::default() }, 4711).mapv(f64::from);
            let found = (x.sum(), x.mapv(|v| v * v).sum());
            assert!((found.0 - sum).abs() < 1e-5 * sum && (found.1 - square).abs() < 1e-5 * square, "{found:?}");
        }
    }

    #[test]
    fn images_and_volumes_have_a_body_and_no_flat_part() {
        for shape in [vec![64, 64], vec![32, 48], vec![24, 24, 24]] {
            let config = EllipsesConfig { shape: shape.clone(), ..EllipsesConfig::default() };
            for index in 0..10 {
                let x = draw(&config, index);
                assert_eq!(x.shape()[1..], shape);
                assert!(x.iter().all(|v| v.is_finite() && *v != 0.0));
                let share = x.iter().filter(|&&v| v.abs() > 0.1).count() as f64 / x.len() as f64;
                assert!((0.1..0.9).contains(&share), "{shape:?}: {share}");
            }
        }
        let none = EllipsesConfig { body: 0.0, number: [0, 0], ..EllipsesConfig::default() };
        assert!(draw(&none, 0).iter().all(|v| v.abs() < 0.2), "the background alone");
    }

    #[test]
    fn impossible_parameters_are_errors_that_name_them() {
        for (text, name) in [
            ("shape = [64]", "shape"),
            ("shape = [0, 64]", "shape"),
            ("number = [4, 3]", "number"),
            ("size = [0.0, 0.1]", "size"),
            ("contrast = [0.0, inf]", "contrast"),
            ("body = nan", "body"),
            ("edge = 0.0", "edge"),
            ("texture = -1.0", "texture"),
            ("grain = 0.0", "grain"),
        ] {
            let config: EllipsesConfig = toml::from_str(text).unwrap();
            let message = Ellipses::new(&config).map(drop).unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}`")), "{text}: {message}");
        }
    }
}
