//! Stores as others write them, byte by byte.

use std::path::Path;

use selion_core::{ChunkSource, DType, Region};
use selion_io::ZarrArray;
use serde_json::{Value, json};

use crate::Scratch;

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn i16s(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn v3(shape: &[usize], chunks: &[usize], codecs: Value) -> Vec<u8> {
    let document = json!({
        "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": "default", "fill_value": -1, "codecs": codecs,
    });
    document.to_string().into_bytes()
}

fn read_all(path: &Path) -> Vec<i16> {
    let array = ZarrArray::open(path).unwrap();
    let whole = Region { start: array.shape().iter().map(|_| 0).collect(), shape: array.shape().into() };
    array.read(&whole).unwrap().to_vec()
}

#[test]
fn format_2_in_fortran_order_and_big_endian() {
    let dir = Scratch::new();
    let document = br#"{"zarr_format": 2, "shape": [2, 3], "chunks": [2, 2], "dtype": ">i2", "compressor": null,
        "fill_value": null, "order": "F", "filters": null}"#;
    put(&dir.join(".zarray"), document);
    put(&dir.join(".zattrs"), br#"{"_FillValue": NaN, "_ARRAY_DIMENSIONS": ["y", "x"]}"#);
    put(&dir.join("0.0"), &[0, 1, 0, 4, 0, 2, 0, 5]);
    put(&dir.join("0.1"), &[0, 3, 0, 6, 9, 9, 9, 9]);
    assert_eq!(read_all(&dir), [1, 2, 3, 4, 5, 6]);
    let array = ZarrArray::open(&*dir).unwrap();
    assert_eq!(array.attributes()["_FillValue"], "NaN");
    assert_eq!(array.dimension_names().unwrap(), [Some("y".to_owned()), Some("x".to_owned())]);
    let chunk = array.read(&Region::new(&[0, 0], &[2, 2])).unwrap();
    assert_eq!(chunk.strides(), [1, 2], "a chunk in Fortran order is not copied into another");
}

#[test]
fn format_3_transposed() {
    let dir = Scratch::new();
    let codecs = json!([{"name": "transpose", "configuration": {"order": [1, 0]}}, "bytes"]);
    put(&dir.join("zarr.json"), &v3(&[2, 3], &[2, 3], codecs));
    put(&dir.join("c/0/0"), &i16s(&[1, 4, 2, 5, 3, 6]));
    assert_eq!(read_all(&dir), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn format_3_in_shards() {
    let dir = Scratch::new();
    let inner = json!(["bytes"]);
    for at in ["start", "end"] {
        let codecs = json!([{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [2], "codecs": inner, "index_codecs": ["bytes"], "index_location": at,
        }}]);
        put(&dir.join("zarr.json"), &v3(&[5], &[6], codecs));
        // Three inner chunks, the second not there, the last before the first.
        let base: u64 = if at == "start" { 48 } else { 0 };
        let index: Vec<u8> =
            [base + 4, 4, u64::MAX, u64::MAX, base, 4].iter().flat_map(|number| number.to_le_bytes()).collect();
        let chunks = i16s(&[5, 6, 1, 2]);
        let bytes = if at == "start" { [index, chunks].concat() } else { [chunks, index].concat() };
        put(&dir.join("c/0"), &bytes);
        assert_eq!(read_all(&dir), [1, 2, -1, -1, 5], "index at the {at}");
        let array = ZarrArray::open(&*dir).unwrap();
        assert_eq!((array.chunks(), array.shards()), (&[2][..], Some(&[6][..])));
    }
}

#[test]
fn datetimes_of_zarr_python() {
    let dir = Scratch::new();
    let document = json!({
        "zarr_format": 3, "node_type": "array", "shape": [2],
        "data_type": {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}},
        "chunk_key_encoding": {"name": "v2"}, "fill_value": "NaT", "codecs": [{"name": "bytes"}],
    });
    put(&dir.join("zarr.json"), document.to_string().as_bytes());
    put(&dir.join("1"), &7i64.to_le_bytes());
    let array = ZarrArray::open(&*dir).unwrap();
    assert_eq!(array.dtype(), DType::parse("M8[s]").unwrap());
    assert_eq!(array.read(&Region::new(&[0], &[2])).unwrap().to_vec::<i64>(), [i64::MIN, 7]);
}
