//! Colours: a scale for order, and black or white text on top of it.

use std::f64::consts::TAU;

/// A colour of the screen (sRGB): red, green, blue.
///
/// ```
/// assert_eq!(selion_draw::Color(255, 0, 128).hex(), "#ff0080");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    pub(super) const BLACK: Color = Color(0, 0, 0);
    pub(super) const WHITE: Color = Color(255, 255, 255);

    /// As SVG and DOT write it.
    ///
    /// ```
    /// assert_eq!(selion_draw::Color(1, 2, 3).hex(), "#010203");
    /// ```
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// Black or white, whichever can be read better on this colour: by the contrast ratio of WCAG 2.
    ///
    /// ```
    /// use selion_draw::{Color, order_color};
    /// assert_eq!(order_color(0.0).text(), Color(255, 255, 255));
    /// assert_eq!(order_color(1.0).text(), Color(0, 0, 0));
    /// ```
    pub fn text(self) -> Color {
        let [r, g, b] = [self.0, self.1, self.2].map(|part| to_linear(f64::from(part) / 255.0));
        let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        if (luminance + 0.05).powi(2) > 1.05 * 0.05 { Color::BLACK } else { Color::WHITE }
    }
}

/// The colour of what comes at `fraction` of the way, from 0 (dark blue) over magenta and orange to 1 (yellow).
///
/// Equal steps look equally large: lightness rises evenly and the hue turns at a constant rate, in the space Oklab
/// (Ottosson, "A perceptual color space for image processing", 2020). In print without colours the order remains.
/// Outside of 0 to 1 it stays at the ends.
///
/// ```
/// use selion_draw::order_color;
/// assert_ne!(order_color(0.0), order_color(0.1));
/// assert_eq!(order_color(7.0), order_color(1.0));
/// ```
pub fn order_color(fraction: f64) -> Color {
    let t = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
    let lightness = 0.34 + 0.58 * t;
    // From blue, the short way over red; least saturated where the screen has least to give.
    let hue = (278.0 + 192.0 * t).to_radians() % TAU;
    let chroma = 0.155 + 0.05 * (t * TAU / 2.0).sin();
    oklab(lightness, chroma * hue.cos(), chroma * hue.sin())
}

/// The nearest colour of the screen to one in Oklab: what is out of reach loses saturation, not lightness.
fn oklab(lightness: f64, a: f64, b: f64) -> Color {
    let mut keep = 1.0;
    loop {
        let (a, b) = (a * keep, b * keep);
        let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
        let rgb = [
            4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
            -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
            -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
        ];
        if keep <= 0.0 || rgb.iter().all(|part| (-0.001..=1.001).contains(part)) {
            let [r, g, b] = rgb.map(|part| (from_linear(part.clamp(0.0, 1.0)) * 255.0).round() as u8);
            return Color(r, g, b);
        }
        keep -= 0.02;
    }
}

fn to_linear(part: f64) -> f64 {
    if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(part: f64) -> f64 {
    if part <= 0.003_130_8 { part * 12.92 } else { 1.055 * part.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_gets_lighter_and_text_keeps_its_contrast() {
        let luminance = |Color(r, g, b): Color| {
            let [r, g, b] = [r, g, b].map(|part| to_linear(f64::from(part) / 255.0));
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let mut before = -1.0;
        for step in 0..=100 {
            let color = order_color(f64::from(step) / 100.0);
            let (fill, text) = (luminance(color), luminance(color.text()));
            assert!(fill > before, "step {step} is not lighter");
            assert!((fill.max(text) + 0.05) / (fill.min(text) + 0.05) > 4.5, "step {step} cannot be read");
            before = fill;
        }
    }

    #[test]
    fn not_a_number_is_a_colour() {
        assert_eq!(order_color(f64::NAN), order_color(0.0));
    }
}
