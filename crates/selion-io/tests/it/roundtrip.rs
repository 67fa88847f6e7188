//! What is written reads back, whatever the format, codecs, chunks and regions.

use proptest::prelude::*;
use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Element, Region, Scalar, c128, f16};
use selion_io::{Compression, CreateOptions, Shuffle, ZarrArray, ZarrVersion};
use serde_json::json;

use crate::Scratch;

fn compressions(version: ZarrVersion) -> Vec<Compression> {
    let blosc = |name: &str, shuffle| Compression::Blosc { compressor: name.into(), level: 5, shuffle };
    let more = match version {
        ZarrVersion::V2 => vec![
            Compression::Codecs(vec![json!({"id": "zlib", "level": 4})]),
            Compression::Codecs(vec![json!({"id": "lz4"})]),
            Compression::Codecs(vec![json!({"id": "bz2", "level": 1})]),
        ],
        ZarrVersion::V3 => vec![
            Compression::Codecs(vec![json!({"name": "crc32c"})]),
            Compression::Codecs(vec![json!("zstd"), json!("crc32c")]),
            Compression::Codecs(vec![json!({"name": "gzip", "configuration": {"level": 1}}), json!("zstd")]),
            Compression::Codecs(vec![
                json!({"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}}),
                json!("zstd"),
            ]),
        ],
    };
    [
        Compression::None,
        Compression::default(),
        Compression::Gzip { level: 5 },
        blosc("lz4", Shuffle::Bytes),
        blosc("zstd", Shuffle::Bits),
        blosc("zlib", Shuffle::None),
    ]
    .into_iter()
    .chain(more)
    .collect()
}

/// An in-memory model of the array beside the one on disk: both see the same writes.
struct Model {
    shape: Vec<usize>,
    values: Vec<i32>,
}

impl Model {
    fn visit(&self, region: &Region) -> Vec<usize> {
        let strides = selion_core::contiguous_strides(&self.shape);
        let count: usize = region.shape.iter().product();
        (0..count)
            .map(|mut k| {
                let mut at = 0;
                for axis in (0..self.shape.len()).rev() {
                    at += (region.start[axis] + k % region.shape[axis]) * strides[axis] as usize;
                    k /= region.shape[axis];
                }
                at
            })
            .collect()
    }
}

#[derive(Debug, Clone)]
struct Case {
    shape: Vec<usize>,
    chunks: Vec<usize>,
    per_shard: Option<Vec<usize>>,
    codec: usize,
    v2: bool,
    regions: Vec<Vec<(f64, f64)>>,
}

fn cases() -> impl Strategy<Value = Case> {
    (0usize..4).prop_flat_map(|ndim| {
        let lengths = |range| proptest::collection::vec(range, ndim);
        let region = proptest::collection::vec((0.0..1.0, 0.0..=1.0), ndim);
        let regions = proptest::collection::vec(region, 1..6);
        let shards = proptest::option::of(lengths(1usize..4));
        (lengths(0usize..12), lengths(1usize..7), shards, 0usize..20, any::<bool>(), regions).prop_map(
            |(shape, chunks, per_shard, codec, v2, regions)| Case { shape, chunks, per_shard, codec, v2, regions },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_regions_written_and_read_agree_with_memory(case in cases()) {
        let dir = Scratch::new();
        let mut options = CreateOptions::new(DType::I32, &case.shape, &case.chunks);
        options.fill_value = Some(Scalar::new(-7i32));
        options.version = if case.v2 { ZarrVersion::V2 } else { ZarrVersion::V3 };
        let all = compressions(options.version);
        options.compression = all[case.codec % all.len()].clone();
        if let (false, Some(per_shard)) = (case.v2, &case.per_shard) {
            options.shards = Some(case.chunks.iter().zip(per_shard).map(|(chunk, count)| chunk * count).collect());
        }
        let array = ZarrArray::create(dir.join("x"), options).unwrap();
        let mut model = Model { values: vec![-7; case.shape.iter().product()], shape: case.shape.clone() };
        for (k, fractions) in case.regions.iter().enumerate() {
            let mut region = Region::default();
            for ((start, len), axis) in fractions.iter().zip(&case.shape) {
                let start = (start * *axis as f64) as usize;
                region.start.push(start);
                region.shape.push((len * (axis - start) as f64).round() as usize);
            }
            let places = model.visit(&region);
            // Every third block is all fill value, and one comes transposed.
            let value = |at: usize| if k % 3 == 2 { -7 } else { (at * 31 + k) as i32 };
            let values: Vec<i32> = places.iter().map(|at| value(*at)).collect();
            array.write(&region, &Chunk::from_values(&region.shape, &values)).unwrap();
            for (at, value) in places.iter().zip(&values) {
                model.values[*at] = *value;
            }
        }
        let array = ZarrArray::open(dir.join("x")).unwrap();
        let whole = Region { start: case.shape.iter().map(|_| 0).collect(), shape: case.shape[..].into() };
        prop_assert_eq!(&array.read(&whole).unwrap().to_vec::<i32>(), &model.values);
        for fractions in &case.regions {
            let mut region = Region::default();
            for ((start, len), axis) in fractions.iter().zip(&case.shape) {
                let start = (start * *axis as f64) as usize;
                region.start.push(start);
                region.shape.push((len * (axis - start) as f64).round() as usize);
            }
            let want: Vec<i32> = model.visit(&region).into_iter().map(|at| model.values[at]).collect();
            prop_assert_eq!(array.read(&region).unwrap().to_vec::<i32>(), want);
        }
    }
}

fn check_dtype<T: Element>(dtype: DType, values: &[T]) {
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let dir = Scratch::new();
        let mut options = CreateOptions::new(dtype, &[values.len()], &[2]);
        options.version = version;
        let array = ZarrArray::create(dir.join("x"), options).unwrap();
        let region = Region::new(&[0], &[values.len()]);
        let block = Chunk::from_values(&[values.len()], values).reinterpret(dtype);
        array.write(&region, &block).unwrap();
        let again = ZarrArray::open(dir.join("x")).unwrap();
        assert_eq!(again.dtype(), dtype);
        assert_eq!(again.read(&region).unwrap().to_vec::<T>(), values, "{dtype} {version:?}");
    }
}

#[test]
fn every_dtype_reads_back() {
    check_dtype(DType::Bool, &[selion_core::B8(1), selion_core::B8(0), selion_core::B8(1)]);
    check_dtype(DType::I8, &[-1i8, 0, 1]);
    check_dtype(DType::U16, &[1u16, 0, u16::MAX]);
    check_dtype(DType::F16, &[f16::from_f32(1.5), f16::INFINITY, f16::ZERO]);
    check_dtype(DType::F64, &[1.5f64, f64::NEG_INFINITY, -0.0]);
    check_dtype(DType::C128, &[c128::new(1.0, 2.0), c128::new(0.0, 0.0), c128::new(-1.0, 0.5)]);
    check_dtype(DType::parse("<M8[ns]").unwrap(), &[1i64, i64::MIN, 0]);
    check_dtype(DType::parse("<m8[D]").unwrap(), &[1i64, i64::MIN, 0]);
}

#[test]
fn metadata_reads_back() {
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let dir = Scratch::new();
        let mut options = CreateOptions::new(DType::F32, &[4, 6], &[2, 3]);
        options.version = version;
        options.attributes.insert("units".into(), json!("K"));
        options.dimension_names = Some(vec![Some("time".into()), None]);
        options.fill_value = Some(Scalar::new(f32::NAN));
        options.dimension_separator = Some(if version == ZarrVersion::V2 { '/' } else { '.' });
        let array = ZarrArray::create_in(&*dir, "group/x", options).unwrap();
        let block = Chunk::from_values(&[2, 3], &[1f32; 6]);
        array.write(&Region::new(&[2, 3], &[2, 3]), &block).unwrap();
        let key = if version == ZarrVersion::V2 { "1/1" } else { "c.1.1" };
        assert!(dir.join("group/x").join(key).exists());

        let again = ZarrArray::open_in(&*dir, "/group/x").unwrap();
        assert_eq!(again.attributes()["units"], "K");
        assert_eq!(again.dimension_names().unwrap(), [Some("time".into()), None]);
        assert_eq!((again.version(), again.chunks(), again.shards()), (version, &[2, 3][..], None));
        assert!(again.fill_value().get::<f32>().is_nan());
        assert_eq!(ChunkSource::identity(&again), ChunkSource::identity(&array));
        assert_eq!(ChunkSource::location(&again), dir.join("group/x").display().to_string());
    }
}

#[test]
fn a_whole_chunk_is_lent_and_a_missing_one_takes_no_memory() {
    let dir = Scratch::new();
    let array = ZarrArray::create(dir.join("x"), CreateOptions::new(DType::F64, &[64, 64], &[32, 32])).unwrap();
    let block = Chunk::from_values(&[32, 32], &[2.5f64; 1024]);
    array.write(&Region::new(&[0, 32], &[32, 32]), &block).unwrap();
    let there = array.read(&Region::new(&[0, 32], &[32, 32])).unwrap();
    assert_eq!((there.held_bytes(), there.is_contiguous()), (1024 * 8, true));
    let missing = array.read(&Region::new(&[32, 32], &[32, 32])).unwrap();
    assert_eq!((missing.held_bytes(), missing.to_vec::<f64>()), (8, vec![0.0; 1024]));
    let little = array.read(&Region::new(&[0, 32], &[4, 4])).unwrap();
    assert_eq!(little.held_bytes(), 16 * 8);
}

#[test]
fn a_chunk_of_nothing_but_fill_value_has_no_file() {
    let dir = Scratch::new();
    let array = ZarrArray::create(dir.join("x"), CreateOptions::new(DType::F64, &[4], &[2])).unwrap();
    let region = Region::new(&[0], &[4]);
    array.write(&region, &Chunk::from_values(&[4], &[1.0, 2.0, 3.0, 4.0])).unwrap();
    assert!(dir.join("x/c/0").exists());
    array.write(&region, &Chunk::from_values(&[4], &[0.0, 0.0, -0.0, 0.0])).unwrap();
    assert!(!dir.join("x/c/0").exists(), "all zero");
    assert!(dir.join("x/c/1").exists(), "minus zero is not the fill value");
}
