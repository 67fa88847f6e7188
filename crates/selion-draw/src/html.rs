//! What a notebook shows of an array: its facts in a table, and the drawing beside it.

use selion_core::format_bytes;

use crate::{AxisLens, chunks_svg, length};

/// The table of an array's bytes, shape, number of chunks and dtype, with the drawing of its chunks of about `size`
/// pixels beside it; no drawing if `size` is 0.
pub fn array_html(axes: &[AxisLens], dtype: &str, itemsize: usize, size: f64) -> String {
    let shape: Vec<Option<usize>> = axes.iter().map(length).collect();
    let block: Vec<Option<usize>> = axes
        .iter()
        .map(|axis| if axis.contains(&None) { None } else { axis.iter().copied().flatten().max() })
        .collect();
    let bytes = |shape: &[Option<usize>]| {
        let elements: Option<u64> =
            shape.iter().try_fold(1u64, |product, len| Some(product.saturating_mul((*len)? as u64)));
        elements.map_or_else(|| "unknown".to_owned(), |elements| format_bytes(elements.saturating_mul(itemsize as u64)))
    };
    let chunks: u64 = axes.iter().fold(1, |product, axis| product.saturating_mul(axis.len() as u64));
    let chunks = format!("{chunks} chunk{}", if chunks == 1 { "" } else { "s" });
    let rows = [
        row("Bytes", &[&bytes(&shape), &bytes(&block)]),
        row("Shape", &[&tuple(&shape), &tuple(&block)]),
        row("Count", &[&chunks]),
        row("Data type", &[&escape(dtype)]),
    ];
    let drawing = if size > 0.0 { format!("<td>\n{}</td>\n", chunks_svg(axes, size)) } else { String::new() };
    format!(
        "<table>\n<tr>\n<td>\n<table style=\"border-collapse: collapse;\">\n<thead><tr><td></td><th>Array</th>\
         <th>Chunk</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</td>\n{drawing}</tr>\n</table>\n",
        rows.concat()
    )
}

fn row(name: &str, cells: &[&str]) -> String {
    let span = if cells.len() == 1 { " colspan=\"2\"" } else { "" };
    let cells: String = cells.iter().map(|cell| format!("<td{span}>{cell}</td>")).collect();
    format!("<tr><th style=\"text-align: left\">{name}</th>{cells}</tr>\n")
}

/// A shape as Python writes it.
fn tuple(shape: &[Option<usize>]) -> String {
    let lens: Vec<String> =
        shape.iter().map(|len| len.map_or_else(|| "nan".to_owned(), |len| len.to_string())).collect();
    format!("({}{})", lens.join(", "), if lens.len() == 1 { "," } else { "" })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_facts() {
        let html = array_html(&[vec![Some(1000)], vec![Some(1000); 4]], "float64", 8, 0.0);
        assert_eq!(
            html,
            "<table>\n<tr>\n<td>\n<table style=\"border-collapse: collapse;\">\n\
             <thead><tr><td></td><th>Array</th><th>Chunk</th></tr></thead>\n<tbody>\n\
             <tr><th style=\"text-align: left\">Bytes</th><td>30.52 MiB</td><td>7.63 MiB</td></tr>\n\
             <tr><th style=\"text-align: left\">Shape</th><td>(1000, 4000)</td><td>(1000, 1000)</td></tr>\n\
             <tr><th style=\"text-align: left\">Count</th><td colspan=\"2\">4 chunks</td></tr>\n\
             <tr><th style=\"text-align: left\">Data type</th><td colspan=\"2\">float64</td></tr>\n\
             </tbody>\n</table>\n</td>\n</tr>\n</table>\n"
        );
    }

    #[test]
    fn unknown_empty_and_scalar() {
        let unknown = array_html(&[vec![None, None]], "<M8[s]", 8, 120.0);
        for part in ["unknown", "(nan,)", "2 chunks", "&lt;M8[s]", "<svg "] {
            assert!(unknown.contains(part), "{part} in {unknown}");
        }
        let scalar = array_html(&[], "int8", 1, 120.0);
        assert!(scalar.contains("<td>()</td>") && scalar.contains("1 chunk<") && scalar.contains("1 B"));
        assert!(array_html(&[vec![Some(0)]], "int8", 1, 120.0).contains("0 B"));
    }
}
