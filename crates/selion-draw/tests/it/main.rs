//! What the writers write can be read back.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Read;

use proptest::prelude::*;
use selion_draw::{Drawing, GraphPicture, Node, Options, RankDir, layout, order_color};

/// Labels that files could trip over.
const LABELS: [&str; 6] = ["inc", "<b>&\"'", "a\\N)(", "ü × …", "字\u{0}\u{1b}\u{ffff}", ""];

fn picture() -> GraphPicture {
    let mut nodes: Vec<Node> = LABELS.into_iter().flat_map(|label| [Node::circle(label), Node::boxed(label)]).collect();
    for (k, node) in nodes.iter_mut().enumerate() {
        node.tooltip = format!("{}\n]]> --> </title>", LABELS[k / 2]);
        node.color = (k % 3 > 0).then(|| order_color(k as f64 / 12.0));
    }
    GraphPicture { nodes, edges: (0..11).map(|k| (k, k + 1)).chain([(0, 5), (3, 11)]).collect() }
}

fn drawn(rankdir: RankDir) -> Drawing {
    layout(&picture(), &Options { rankdir, ..Options::default() }).unwrap()
}

/// Reads XML as far as SVG needs it: tags must match, and text must be escaped. Returns the text.
fn read_xml(xml: &str) -> String {
    let mut open = Vec::new();
    let mut text = String::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let end = at + rest[at..].find('>').expect("tags end");
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if !tag.ends_with('/') => open.push(tag.split(' ').next().unwrap()),
            None => {}
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    for part in text.split('&').skip(1) {
        assert!(["amp;", "lt;", "gt;", "quot;"].iter().any(|name| part.starts_with(name)), "&{part}");
    }
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    text
}

#[test]
fn svg_is_xml_without_scripts() {
    let svg = drawn(RankDir::TopBottom).svg();
    let text = read_xml(&svg);
    assert!(text.contains("&lt;b&gt;&amp;&quot;'") && !svg.contains("<script"));
    assert_eq!(svg.matches("<title>").count(), 12);
    assert_eq!((svg.matches("<circle").count(), svg.matches("<rect").count()), (6, 7));
    assert_eq!(svg.matches("<path").count(), 2 * 13);
    assert!(svg.contains("viewBox=\"0 0 "));
}

#[test]
fn png_is_read_back_with_its_size_and_paint() {
    for (rankdir, scale) in [(RankDir::BottomTop, 1.0), (RankDir::LeftRight, 2.0)] {
        let drawing = drawn(rankdir);
        let bytes = drawing.png(scale);
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = drawing.size();
        assert_eq!((info.width, info.height), ((width * scale).ceil() as u32, (height * scale).ceil() as u32));
        assert_eq!(pixels[..4], [255, 255, 255, 255]);
        // The last box has no label that could be in the way of its colour.
        let (x, y) = drawing.places().nth(11).unwrap();
        let at = (((y * scale) as u32 * info.width + (x * scale) as u32) * 4) as usize;
        let want = picture().nodes[11].color.unwrap();
        assert_eq!(pixels[at..at + 3], [want.0, want.1, want.2]);
    }
}

#[test]
fn huge_drawings_become_small_pngs() {
    let size = |picture: &GraphPicture, scale: f64| {
        let bytes = layout(picture, &Options::default()).unwrap().png(scale);
        let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        (reader.info().width, reader.info().height)
    };
    let chain = GraphPicture { nodes: vec![Node::circle("f"); 1000], edges: (0..999).map(|k| (k, k + 1)).collect() };
    assert_eq!(size(&chain, 1.0).1, 30_000);
    let (width, height) = size(&GraphPicture { nodes: vec![Node::boxed("x")], edges: vec![] }, 1e9);
    assert!((15_900_000..16_010_000).contains(&(width * height)), "{width} by {height}");
    assert_eq!(size(&GraphPicture::default(), f64::NAN), (16, 16));
}

/// The objects of a PDF, found through its table, after checks of its structure.
fn read_pdf(pdf: &[u8]) -> Vec<&[u8]> {
    let find =
        |from: usize, what: &[u8]| from + pdf[from..].windows(what.len()).position(|w| w == what).expect("found");
    let tail = String::from_utf8_lossy(&pdf[pdf.len() - 120..]).into_owned();
    let table: usize = tail.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(pdf[table..].starts_with(b"xref\n0 6\n0000000000 65535 f \n"));
    let entries = &pdf[table + 29..];
    let object = |k: usize| {
        let entry = std::str::from_utf8(&entries[k * 20..][..20]).unwrap();
        assert!(entry.ends_with(" 00000 n \n"), "{entry}");
        let start: usize = entry[..10].parse().unwrap();
        assert!(pdf[start..].starts_with(format!("{} 0 obj\n", k + 1).as_bytes()));
        &pdf[start..find(start, b"\nendobj\n")]
    };
    (0..5).map(object).collect()
}

#[test]
fn pdf_has_its_table_and_its_text() {
    let pdf = drawn(RankDir::TopBottom).pdf();
    let objects = read_pdf(&pdf);
    let stream = objects[3];
    let start = stream.windows(7).position(|part| part == b"stream\n").unwrap() + 7;
    let header = String::from_utf8_lossy(&stream[..start]).into_owned();
    let len: usize = header.split("/Length ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(&stream[start + len..], b"\nendstream");
    let mut content = String::new();
    flate2::read::ZlibDecoder::new(&stream[start..start + len]).read_to_string(&mut content).unwrap();
    assert!(content.is_ascii());
    assert_eq!(content.matches(" re B").count(), 6);
    // "inc" twice, and "ü × …" in the encoding of the font.
    assert_eq!(content.matches("<696e63> Tj").count(), 2);
    assert!(content.contains("<fc20d72085> Tj"));
    let numbers = content.split_whitespace().filter(|word| word.parse::<f64>().is_ok()).count();
    assert!(numbers > 300 && !content.contains("NaN") && !content.contains("inf"));
}

#[test]
fn pages_have_the_size_that_readers_allow() {
    let chain = GraphPicture { nodes: vec![Node::circle("f"); 1000], edges: (0..999).map(|k| (k, k + 1)).collect() };
    let pdf = layout(&chain, &Options::default()).unwrap().pdf();
    let page = String::from_utf8_lossy(read_pdf(&pdf)[2]).into_owned();
    assert!(page.contains(" 14400] /Contents"), "{page}");
}

proptest! {
    #[test]
    fn any_label_can_be_written(label in any::<String>(), tooltip in any::<String>()) {
        let nodes = vec![Node { tooltip, ..Node::circle(label.clone()) }, Node::boxed(label)];
        let picture = GraphPicture { nodes, edges: vec![(0, 1)] };
        let drawing = layout(&picture, &Options::default()).unwrap();
        read_xml(&drawing.svg());
        read_pdf(&drawing.pdf());
        prop_assert!(drawing.png(0.5).starts_with(b"\x89PNG"));
        let dot = selion_draw::dot(&picture, &Options::default());
        // Header, two nodes, an edge and the end: no label starts a line of its own.
        prop_assert_eq!(dot.lines().count(), 7);
    }
}
