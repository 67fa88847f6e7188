//! A picture in the language of Graphviz, for those who have it.

use std::collections::HashSet;
use std::fmt::Write;

use super::picture::{GraphPicture, Options, Shape};

/// The graph as DOT text, with the attributes that Dask gives it. Of `options` only the direction matters.
///
/// ```
/// use selion_draw::{GraphPicture, Node, Options, dot};
/// let picture = GraphPicture { nodes: vec![Node::boxed("0"), Node::circle("say \"hi\"")], edges: vec![(0, 1)] };
/// assert_eq!(
///     dot(&picture, &Options::default()),
///     "digraph {\n  graph [rankdir=BT]\n  node [fontname=helvetica]\n  0 [label=\"0\" shape=box]\n  \
///      1 [label=\"say \\\"hi\\\"\" shape=circle]\n  0 -> 1\n}\n"
/// );
/// ```
pub fn dot(picture: &GraphPicture, options: &Options) -> String {
    let rankdir = options.rankdir.letters();
    let mut text = format!("digraph {{\n  graph [rankdir={rankdir}]\n  node [fontname=helvetica]\n");
    for (k, node) in picture.nodes.iter().enumerate() {
        let shape = match node.shape {
            Shape::Circle => "circle",
            Shape::Box => "box",
        };
        let _ = write!(text, "  {k} [label={} shape={shape}", quoted(&node.label));
        if let Some(color) = node.color {
            let (fill, letters) = (color.hex(), color.text().hex());
            let _ = write!(text, " style=filled fillcolor=\"{fill}\" fontcolor=\"{letters}\"");
        }
        if !node.tooltip.is_empty() {
            let _ = write!(text, " tooltip={}", quoted(&node.tooltip));
        }
        text.push_str("]\n");
    }
    let mut seen = HashSet::new();
    for (from, to) in picture.edges.iter().filter(|edge| seen.insert(**edge)) {
        let _ = writeln!(text, "  {from} -> {to}");
    }
    text.push_str("}\n");
    text
}

/// A string of DOT in which Graphviz reads no escapes: `\N` in it is a backslash and an N.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_cannot_end_early() {
        assert_eq!(quoted("a\"b\\\n\u{0}\\N"), r#""a\"b\\\n \\N""#);
    }
}
