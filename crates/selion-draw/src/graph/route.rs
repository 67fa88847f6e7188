//! Edges as curves: the shortest way around what is in their way, smoothed, from outline to outline.
//!
//! An edge may use the space between its neighbours in each layer that it passes. The shortest line through these gaps
//! bends only where it touches the end of one (the funnel algorithm of Lee and Preparata, 1984, simple here because
//! lines only go forward); cubic Bézier curves with a common tangent at each bend make it smooth. This is what Graphviz
//! does too (Dobkin, Gansner, Koutsofios and North, "Implementing a general-purpose edge router", 1997), with gaps that
//! leave other edges their place instead of a search for a spline that fits.

use super::Shape;

/// A place or a direction.
pub(super) type Point = (f64, f64);

/// From the arrow's base to its tip.
pub(super) const ARROW: f64 = 9.0;
/// How far the control points of a bend are away from it: a part of the way to the next bend, but not further than
/// this. Where such a curve would touch something, less, down to nearly nothing.
const REACH: f64 = 0.36;
const REACH_MIN: f64 = 0.01;
const REACH_MAX: f64 = 90.0;
/// By how much a curve may leave the gaps that its line goes through.
const TOLERANCE: f64 = 4.0;
/// Places on a curve that are looked at.
const SAMPLES: i32 = 8;

/// A cubic Bézier curve.
type Cubic = [Point; 4];

/// An edge on paper.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) start: Point,
    /// Two control points and an end each, where the next begins; the last ends at the arrow's base.
    pub(super) curves: Vec<[Point; 3]>,
    pub(super) tip: Point,
}

impl Route {
    pub(super) fn points_mut(&mut self) -> impl Iterator<Item = &mut Point> {
        [&mut self.start, &mut self.tip].into_iter().chain(self.curves.iter_mut().flatten())
    }

    /// How long it is, about: curves are nearly straight.
    pub(super) fn length(&self) -> f64 {
        let ends = self.curves.iter().map(|curve| curve[2]).chain([self.tip]);
        let walk = |(at, sum): (Point, f64), to: Point| (to, sum + (to.0 - at.0).hypot(to.1 - at.1));
        ends.fold((self.start, 0.0), walk).1
    }

    /// Places on the curves, close enough to each other to tell how much space they take.
    pub(super) fn outline(&self) -> impl Iterator<Item = Point> {
        let starts = [self.start].into_iter().chain(self.curves.iter().map(|curve| curve[2]));
        let curves = starts.zip(&self.curves).map(|(start, [a, b, c])| [start, *a, *b, *c]);
        curves.flat_map(|curve| samples(&curve)).chain([self.tip])
    }

    /// The corners of the arrow's base.
    pub(super) fn arrow_base(&self) -> [Point; 2] {
        let end = self.curves.last().map_or(self.start, |curve| curve[2]);
        let (dx, dy) = (self.tip.0 - end.0, self.tip.1 - end.1);
        let scale = 3.4 / dx.hypot(dy).max(1e-9);
        let (x, y) = (-dy * scale, dx * scale);
        [(end.0 + x, end.1 + y), (end.0 - x, end.1 - y)]
    }
}

/// Where one end of an edge is attached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outline {
    pub(super) shape: Shape,
    pub(super) middle: Point,
    /// Half of the width and height.
    pub(super) half: Point,
}

impl Outline {
    fn contains(&self, (x, y): Point) -> bool {
        let (dx, dy) = ((x - self.middle.0).abs(), (y - self.middle.1).abs());
        match self.shape {
            Shape::Circle => dx.hypot(dy) < self.half.0,
            Shape::Box => dx < self.half.0 && dy < self.half.1,
        }
    }
}

/// A gap that an edge must pass: at `y`, from `left` to `right`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) y: f64,
    pub(super) left: f64,
    pub(super) right: f64,
}

/// The edge between two nodes, through gaps of increasing `y`.
pub(super) fn route(from: Outline, to: Outline, gaps: &[Gap]) -> Route {
    let bends = shortest(from.middle, to.middle, gaps);
    let mut reach = REACH;
    let mut curves = smooth(&bends, reach);
    // Round as it can be without touching what it goes around.
    while reach > REACH_MIN && !curves.iter().all(|curve| passes(curve, gaps)) {
        reach /= 2.0;
        curves = smooth(&bends, reach);
    }
    clip_start(&mut curves, |point| from.contains(point));
    clip_end(&mut curves, |point| to.contains(point));
    let tip = curves.last().map_or(to.middle, |curve| curve[3]);
    clip_end(&mut curves, |(x, y)| (x - tip.0).hypot(y - tip.1) < ARROW);
    let start = curves.first().map_or(from.middle, |curve| curve[0]);
    Route { start, curves: curves.into_iter().map(|[_, a, b, c]| [a, b, c]).collect(), tip }
}

/// The bends of the shortest line from one point to another through all gaps, with both ends.
fn shortest(from: Point, to: Point, gaps: &[Gap]) -> Vec<Point> {
    let end = Gap { y: to.1, left: to.0, right: to.0 };
    let gap = |k: usize| gaps.get(k).copied().unwrap_or(end);
    let mut bends = vec![from];
    let mut apex = from;
    // How far left and right the line from the last bend may lean, and which gap says so.
    let (mut low, mut high) = ((f64::NEG_INFINITY, 0), (f64::INFINITY, 0));
    let mut k = 0;
    while k <= gaps.len() {
        let Gap { y, left, right } = gap(k);
        let (left, right) = ((left - apex.0) / (y - apex.1), (right - apex.0) / (y - apex.1));
        let bend = if left > high.0 {
            Some((gap(high.1).right, high.1))
        } else if right < low.0 {
            Some((gap(low.1).left, low.1))
        } else {
            None
        };
        if let Some((x, at)) = bend {
            apex = (x, gap(at).y);
            bends.push(apex);
            (low, high) = ((f64::NEG_INFINITY, 0), (f64::INFINITY, 0));
            k = at + 1;
            continue;
        }
        if left >= low.0 {
            low = (left, k);
        }
        if right <= high.0 {
            high = (right, k);
        }
        k += 1;
    }
    bends.push(to);
    bends
}

/// Whether a curve stays within gaps, and within the layers that they lead through: two gaps each, but for the first
/// and the last, of which the other halves belong to nodes.
fn passes(curve: &Cubic, gaps: &[Gap]) -> bool {
    samples(curve).all(|(x, y)| {
        let next = gaps.partition_point(|gap| gap.y < y);
        // An even number of gaps before is a layer, an odd one the space between layers.
        let Some(gap) = gaps.get(if next == gaps.len() { next.saturating_sub(1) } else { next }) else { return true };
        next % 2 == 1 || (gap.left - TOLERANCE..=gap.right + TOLERANCE).contains(&x)
    })
}

fn samples(curve: &Cubic) -> impl Iterator<Item = Point> + use<> {
    let curve = *curve;
    (0..SAMPLES).map(move |k| split(&curve, f64::from(k) / f64::from(SAMPLES)).1[0])
}

/// Curves through all points: in each point along the line that bisects its angle.
fn smooth(points: &[Point], reach: f64) -> Vec<Cubic> {
    let last = points.len() - 1;
    let apart = |a: Point, b: Point| (b.0 - a.0).hypot(b.1 - a.1).max(1e-9);
    let towards = |a: Point, b: Point| ((b.0 - a.0) / apart(a, b), (b.1 - a.1) / apart(a, b));
    // The direction in which a curve passes a bend.
    let direction = |k: usize| {
        let (before, after) = (towards(points[k - 1], points[k]), towards(points[k], points[k + 1]));
        towards((0.0, 0.0), (before.0 + after.0, before.1 + after.1))
    };
    let curve = |k: usize| {
        let (from, to) = (points[k], points[k + 1]);
        let reach = (apart(from, to) * reach).min(REACH_MAX);
        let leave = (k > 0).then(|| direction(k)).map(|(x, y)| (from.0 + x * reach, from.1 + y * reach));
        let arrive = (k + 1 < last).then(|| direction(k + 1)).map(|(x, y)| (to.0 - x * reach, to.1 - y * reach));
        // An end has no direction of its own: as a curve of second degree would leave it.
        let middle = |a: Point, b: Point| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
        let third = |a: Point, b: Point| (a.0 + (b.0 - a.0) / 3.0, a.1 + (b.1 - a.1) / 3.0);
        match (leave, arrive) {
            (Some(leave), Some(arrive)) => [from, leave, arrive, to],
            (Some(leave), None) => [from, leave, middle(leave, to), to],
            (None, Some(arrive)) => [from, middle(from, arrive), arrive, to],
            (None, None) => [from, third(from, to), third(to, from), to],
        }
    };
    (0..last).map(curve).collect()
}

/// Removes what is inside at the beginning, leaving at least one curve.
fn clip_start(curves: &mut Vec<Cubic>, inside: impl Fn(Point) -> bool) {
    let whole = curves.iter().take_while(|curve| inside(curve[3])).count().min(curves.len() - 1);
    curves.drain(..whole);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = (low + high) / 2.0;
        if inside(split(&curves[0], middle).1[0]) { low = middle } else { high = middle }
    }
    curves[0] = split(&curves[0], high).1;
}

/// Removes what is inside at the end, leaving at least one curve.
fn clip_end(curves: &mut Vec<Cubic>, inside: impl Fn(Point) -> bool) {
    let turn = |curves: &mut Vec<Cubic>| {
        curves.reverse();
        curves.iter_mut().for_each(|curve| curve.reverse());
    };
    turn(curves);
    clip_start(curves, inside);
    turn(curves);
}

/// The parts of a curve before and after `t`, by de Casteljau's construction.
fn split([a, b, c, d]: &Cubic, t: f64) -> (Cubic, Cubic) {
    let at = |p: Point, q: Point| (p.0 + (q.0 - p.0) * t, p.1 + (q.1 - p.1) * t);
    let (ab, bc, cd) = (at(*a, *b), at(*b, *c), at(*c, *d));
    let (abc, bcd) = (at(ab, bc), at(bc, cd));
    let middle = at(abc, bcd);
    ([*a, ab, abc, middle], [middle, bcd, cd, *d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(y: f64, left: f64, right: f64) -> Gap {
        Gap { y, left, right }
    }

    #[test]
    fn a_line_bends_only_around_what_is_in_its_way() {
        let (from, to) = ((0.0, 0.0), (0.0, 40.0));
        assert_eq!(shortest(from, to, &[gap(10.0, -5.0, 5.0), gap(30.0, -1.0, f64::INFINITY)]), [from, to]);
        assert_eq!(
            shortest(from, to, &[gap(10.0, 3.0, 9.0), gap(20.0, 3.0, 9.0)]),
            [from, (3.0, 10.0), (3.0, 20.0), to]
        );
        let zigzag = [gap(10.0, f64::NEG_INFINITY, -4.0), gap(30.0, 4.0, 9.0)];
        assert_eq!(shortest(from, to, &zigzag), [from, (-4.0, 10.0), (4.0, 30.0), to]);
    }

    #[test]
    fn edges_go_from_outline_to_outline() {
        let circle = Outline { shape: Shape::Circle, middle: (0.0, 0.0), half: (20.0, 20.0) };
        let boxed = Outline { shape: Shape::Box, middle: (0.0, 100.0), half: (27.0, 18.0) };
        let Route { start, curves, tip } = route(circle, boxed, &[]);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-4;
        assert!(near(start.1, 20.0) && near(tip.1, 82.0) && near(curves[0][2].1, 82.0 - ARROW));
        assert_eq!(curves.len(), 1);
    }
}
