//! A drawing as PDF: one page, written by hand, in the Helvetica that every reader has.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::Shape;
use super::color::Color;
use super::drawing::{Drawing, Placed};
use super::route::{Point, Route};
use super::text::{FONT_SIZE, width};

/// Readers show pages up to this many points wide or high (PDF 1.7, annex C); larger drawings are scaled down.
const PAGE_MAX: f64 = 14_400.0;
/// Control points of a quarter of a circle, as a part of its radius.
const ARC: f64 = 0.552_284_75;

impl Drawing {
    /// The drawing as a PDF of one page. Letters that Helvetica lacks (it has those of western Europe) come out as `?`.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node, Options, layout};
    /// let picture = GraphPicture { nodes: vec![Node::circle("inc")], edges: vec![] };
    /// let pdf = layout(&picture, &Options::default())?.pdf();
    /// assert!(pdf.starts_with(b"%PDF-1.4\n") && pdf.ends_with(b"%%EOF\n"));
    /// # Ok::<(), selion_draw::PictureError>(())
    /// ```
    pub fn pdf(&self) -> Vec<u8> {
        let scale = (PAGE_MAX / self.width.max(self.height)).min(1.0);
        let (width, height) = (num(self.width * scale), num(self.height * scale));
        let content = compress(self.content(scale).as_bytes());
        let mut file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
        let mut starts = Vec::new();
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R \
             /Resources << /Font << /F 5 0 R >> >> >>"
        );
        let stream = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", content.len());
        let objects: [&[&[u8]]; 5] = [
            &[b"<< /Type /Catalog /Pages 2 0 R >>"],
            &[b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"],
            &[page.as_bytes()],
            &[stream.as_bytes(), &content, b"\nendstream"],
            &[b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"],
        ];
        for (k, object) in objects.iter().enumerate() {
            starts.push(file.len());
            file.extend(format!("{} 0 obj\n", k + 1).bytes());
            object.iter().for_each(|part| file.extend_from_slice(part));
            file.extend_from_slice(b"\nendobj\n");
        }
        let table = file.len();
        // Entries of the table are 20 bytes each, the end of the line included.
        let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", starts.len() + 1);
        for start in &starts {
            let _ = writeln!(end, "{start:010} 00000 n ");
        }
        let _ = write!(end, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", starts.len() + 1);
        file.extend_from_slice(end.as_bytes());
        file
    }

    /// What is painted, in the order of painting. PDF counts upwards from the bottom.
    fn content(&self, scale: f64) -> String {
        let mut text = format!("{0} 0 0 {0} 0 0 cm\n1 w 1 j\n", format_args!("{scale:.6}"));
        for edge in &self.edges {
            self.edge(&mut text, edge);
        }
        for node in &self.nodes {
            self.node(&mut text, node);
        }
        text
    }

    fn at(&self, (x, y): Point) -> String {
        format!("{} {}", num(x), num(self.height - y))
    }

    fn edge(&self, text: &mut String, edge: &Route) {
        let _ = write!(text, "{} m", self.at(edge.start));
        for [a, b, c] in &edge.curves {
            let _ = write!(text, " {} {} {} c", self.at(*a), self.at(*b), self.at(*c));
        }
        let [left, right] = edge.arrow_base();
        let _ = writeln!(text, " S {} m {} l {} l b", self.at(left), self.at(edge.tip), self.at(right));
    }

    fn node(&self, text: &mut String, node: &Placed) {
        let (x, y) = node.outline.middle;
        let (half_width, half_height) = node.outline.half;
        let _ = writeln!(text, "{} rg", rgb(node.fill()));
        match node.outline.shape {
            Shape::Box => {
                let corner = self.at((x - half_width, y + half_height));
                let _ = writeln!(text, "{corner} {} {} re B", num(half_width * 2.0), num(half_height * 2.0));
            }
            Shape::Circle => {
                let on = |across: f64, down: f64| self.at((x + across * half_width, y + down * half_width));
                let _ = write!(text, "{} m", on(1.0, 0.0));
                for (c, s) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)] {
                    // From this direction to the one a quarter further.
                    let (a, b) = (on(c - s * ARC, s + c * ARC), on(-s + c * ARC, c + s * ARC));
                    let _ = write!(text, " {a} {b} {} c", on(-s, c));
                }
                text.push_str(" b\n");
            }
        }
        if node.text.height > 0.0 {
            let _ = writeln!(text, "BT /F {FONT_SIZE} Tf {} rg", rgb(node.fill().text()));
            for (line, (x, y)) in node.lines() {
                let start = self.at((x - width(line) / 2.0, y));
                let _ = writeln!(text, "1 0 0 1 {start} Tm <{}> Tj", win_ansi(line));
            }
            text.push_str("ET 0 0 0 rg\n");
        } else {
            text.push_str("0 0 0 rg\n");
        }
    }
}

fn rgb(Color(r, g, b): Color) -> String {
    [r, g, b].map(|part| num(f64::from(part) / 255.0)).join(" ")
}

/// A number with at most three decimals.
fn num(value: f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}

/// Text in the encoding of the font, as hexadecimal digits.
fn win_ansi(line: &str) -> String {
    let code = |c: char| match c as u32 {
        code @ (0x20..=0x7e | 0xa0..=0xff) => code,
        0x2026 => 0x85,
        0x2013 => 0x96,
        0x2014 => 0x97,
        0x2018 => 0x91,
        0x2019 => 0x92,
        _ => u32::from(b'?'),
    };
    line.chars().map(|c| format!("{:02x}", code(c))).collect()
}

#[expect(clippy::expect_used, reason = "writing to memory does not fail")]
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}
