//! A drawing as SVG: self-contained, with tooltips, without scripts.

use std::fmt::Write;

use super::Shape;
use super::drawing::{Drawing, Placed};
use super::route::{Point, Route};
use super::text::{FONT_SIZE, width};

impl Drawing {
    /// The drawing as SVG, which notebooks and browsers show: text is text, and the mouse shows tooltips.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node, Options, layout};
    /// let picture = GraphPicture { nodes: vec![Node::circle("a<b")], edges: vec![] };
    /// let svg = layout(&picture, &Options::default())?.svg();
    /// assert!(svg.contains(">a&lt;b</text>") && svg.ends_with("</svg>\n"));
    /// # Ok::<(), selion_draw::PictureError>(())
    /// ```
    pub fn svg(&self) -> String {
        let (width, height) = (px(self.width), px(self.height));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}pt\" height=\"{height}pt\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"{FONT_SIZE}\" \
             text-anchor=\"middle\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <g stroke=\"#000000\">\n"
        );
        for edge in &self.edges {
            write_edge(&mut svg, edge);
        }
        svg.push_str("</g>\n");
        for node in &self.nodes {
            write_node(&mut svg, node);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn write_edge(svg: &mut String, edge: &Route) {
    let _ = write!(svg, "<path fill=\"none\" d=\"M{}", pair(edge.start));
    for [a, b, c] in &edge.curves {
        let _ = write!(svg, "C{} {} {}", pair(*a), pair(*b), pair(*c));
    }
    let [left, right] = edge.arrow_base();
    let _ = writeln!(svg, "\"/><path d=\"M{}L{}L{}z\"/>", pair(left), pair(edge.tip), pair(right));
}

fn write_node(svg: &mut String, node: &Placed) {
    let (x, y) = node.outline.middle;
    let (half_width, half_height) = node.outline.half;
    svg.push_str("<g>");
    if !node.tooltip.is_empty() {
        let _ = write!(svg, "<title>{}</title>", escape(&node.tooltip));
    }
    let paint = format!("fill=\"{}\" stroke=\"#000000\"", node.fill().hex());
    let _ = match node.outline.shape {
        Shape::Circle => write!(svg, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {paint}/>", px(x), px(y), px(half_width)),
        Shape::Box => write!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {paint}/>",
            px(x - half_width),
            px(y - half_height),
            px(half_width * 2.0),
            px(half_height * 2.0)
        ),
    };
    let color = node.fill().text().hex();
    for (line, (x, y)) in node.lines() {
        let (x, y, line_width) = (px(x), px(y), px(width(line)));
        // Fonts differ; whichever is there, the text fits.
        let fit = format!("textLength=\"{line_width}\" lengthAdjust=\"spacingAndGlyphs\"");
        let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\" {fit} fill=\"{color}\">{}</text>", escape(line));
    }
    svg.push_str("</g>\n");
}

fn pair((x, y): Point) -> String {
    format!("{},{}", px(x), px(y))
}

/// A length with at most two decimals.
fn px(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

/// Text as XML writes it, without the characters that XML cannot hold.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
