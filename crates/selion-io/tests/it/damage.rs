//! What is missing, damaged, forbidden or unknown is said, with the file's name; nothing panics, nothing is made up.

use std::io::ErrorKind;
use std::path::Path;

use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Region, SourceError};
use selion_io::{Compression, CreateOptions, Shuffle, ZarrArray, ZarrVersion};
use serde_json::json;

use crate::Scratch;

fn filled(path: &Path, change: impl FnOnce(&mut CreateOptions)) -> ZarrArray {
    let mut options = CreateOptions::new(DType::I32, &[8, 8], &[8, 8]);
    change(&mut options);
    let array = ZarrArray::create(path, options).unwrap();
    let values: Vec<i32> = (0..64).map(|k| k / 3).collect();
    array.write(&Region::new(&[0, 0], &[8, 8]), &Chunk::from_values(&[8, 8], &values)).unwrap();
    array
}

#[test]
fn a_missing_array_is_not_found_and_a_group_names_its_arrays() {
    let dir = Scratch::new();
    let error = ZarrArray::open(dir.join("nothing")).unwrap_err();
    assert!(matches!(&error, SourceError::NotFound(what) if what.ends_with("nothing")), "{error}");
    ZarrArray::create_in(&*dir, "g/b", CreateOptions::new(DType::F32, &[1], &[1])).unwrap();
    ZarrArray::create_in(&*dir, "g/a", CreateOptions::new(DType::F32, &[1], &[1])).unwrap();
    let error = ZarrArray::open_in(&*dir, "g").unwrap_err();
    assert!(matches!(&error, SourceError::NotFound(what) if what.ends_with("g: it is a group, with a, b")), "{error}");
    std::fs::write(dir.join("file"), "x").unwrap();
    assert!(matches!(ZarrArray::open(dir.join("file")), Err(SourceError::NotFound(_))));
}

#[test]
fn every_prefix_and_every_flipped_byte_is_an_error_or_the_truth_or_at_least_no_panic() {
    let blosc = |name: &str, shuffle| Compression::Blosc { compressor: name.into(), level: 5, shuffle };
    type Change = Box<dyn Fn(&mut CreateOptions)>;
    let kinds: Vec<(&str, Change)> = vec![
        ("none", Box::new(|o| o.compression = Compression::None)),
        ("zstd", Box::new(|_| ())),
        ("gzip", Box::new(|o| o.compression = Compression::Gzip { level: 5 })),
        ("blosc lz4", Box::new(move |o| o.compression = blosc("lz4", Shuffle::Bytes))),
        ("blosc zstd", Box::new(move |o| o.compression = blosc("zstd", Shuffle::Bits))),
        ("crc32c", Box::new(|o| o.compression = Compression::Codecs(vec![json!("zstd"), json!("crc32c")]))),
        ("shards", Box::new(|o| (o.chunks, o.shards) = (vec![4, 4], Some(vec![8, 8])))),
        (
            "lz4",
            Box::new(|o| {
                o.version = ZarrVersion::V2;
                o.compression = Compression::Codecs(vec![json!({"id": "lz4"})]);
            }),
        ),
        (
            "bz2",
            Box::new(|o| {
                o.version = ZarrVersion::V2;
                o.compression = Compression::Codecs(vec![json!({"id": "bz2"})]);
            }),
        ),
    ];
    for (name, change) in kinds {
        let dir = Scratch::new();
        let array = filled(&dir.join("x"), change);
        let file = dir.join(if array.version() == ZarrVersion::V2 { "x/0.0" } else { "x/c/0/0" });
        let whole = Region::new(&[0, 0], &[8, 8]);
        let intact = std::fs::read(&file).unwrap();
        let want = array.read(&whole).unwrap().to_vec::<i32>();
        for len in 0..intact.len() {
            std::fs::write(&file, &intact[..len]).unwrap();
            match array.read(&whole) {
                Err(SourceError::Corrupt { what, .. }) => assert_eq!(what, file.display().to_string()),
                Err(other) => panic!("{name}, {len} bytes: {other}"),
                // The checksum of bzip2's whole stream may be cut off after the last block.
                Ok(chunk) => assert_eq!(chunk.to_vec::<i32>(), want, "{name}, {len} of {} bytes", intact.len()),
            }
        }
        for at in 0..intact.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut bytes = intact.clone();
                bytes[at] ^= flip;
                std::fs::write(&file, &bytes).unwrap();
                match array.read(&whole) {
                    Err(SourceError::Corrupt { what, .. }) => assert_eq!(what, file.display().to_string()),
                    Err(other) => panic!("{name}, byte {at}: {other}"),
                    Ok(chunk) if name == "crc32c" => assert_eq!(chunk.to_vec::<i32>(), want, "byte {at}"),
                    Ok(chunk) => assert_eq!(chunk.len(), 64),
                }
            }
        }
    }
}

#[test]
fn damaged_metadata_are_corrupt_and_unknown_ones_unsupported() {
    let dir = Scratch::new();
    filled(&dir.join("x"), |_| ());
    let path = dir.join("x/zarr.json");
    let intact = std::fs::read_to_string(&path).unwrap();
    for len in 0..intact.trim_end().len() {
        std::fs::write(&path, &intact[..len]).unwrap();
        let error = ZarrArray::open(dir.join("x")).unwrap_err();
        assert!(matches!(&error, SourceError::Corrupt { what, .. } if what.ends_with("x/zarr.json")), "{len}: {error}");
    }
    for (from, to, named) in [
        ("\"zstd\"", "\"zfp\"", "zfp"),
        ("\"int32\"", "\"string\"", "string"),
        ("\"regular\"", "\"rectilinear\"", "rectilinear"),
        ("\"default\"", "\"hashed\"", "hashed"),
    ] {
        assert!(intact.contains(from));
        std::fs::write(&path, intact.replace(from, to)).unwrap();
        match ZarrArray::open(dir.join("x")).unwrap_err() {
            SourceError::Unsupported { what, feature } => {
                assert!(what.ends_with("x/zarr.json") && feature.contains(named), "{what}: {feature}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_existing_array_is_kept_unless_asked_and_a_group_always() {
    let dir = Scratch::new();
    filled(&dir.join("g/x"), |_| ());
    let mut options = CreateOptions::new(DType::F32, &[3], &[2]);
    let kind = |error| match error {
        SourceError::Io { cause, .. } => cause.kind(),
        other => panic!("{other}"),
    };
    assert_eq!(kind(ZarrArray::create(dir.join("g/x"), options.clone()).unwrap_err()), ErrorKind::AlreadyExists);
    assert_eq!(
        kind(ZarrArray::create_in(&*dir, "g/x/y", options.clone()).unwrap_err()),
        ErrorKind::AlreadyExists,
        "an array cannot be a group"
    );
    options.overwrite = true;
    let array = ZarrArray::create(dir.join("g/x"), options.clone()).unwrap();
    assert!(!dir.join("g/x/c").exists());
    assert_eq!(array.read(&Region::new(&[0], &[3])).unwrap().to_vec::<f32>(), [0.0; 3]);
    options.chunks = vec![0];
    assert_eq!(kind(ZarrArray::create(dir.join("new"), options).unwrap_err()), ErrorKind::InvalidInput);
    assert!(!dir.join("new").exists());
}

#[test]
fn an_array_that_was_removed_does_not_read_as_zeros() {
    let dir = Scratch::new();
    let array = filled(&dir.join("x"), |options| options.shape = vec![16, 8]);
    let unwritten = Region::new(&[8, 0], &[8, 8]);
    assert_eq!(array.read(&unwritten).unwrap().to_vec::<i32>(), [0; 64]);
    std::fs::remove_dir_all(dir.join("x")).unwrap();
    for region in [unwritten, Region::new(&[0, 0], &[16, 8])] {
        let error = array.read(&region).unwrap_err();
        assert!(matches!(&error, SourceError::NotFound(what) if what.ends_with("x")), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn what_the_system_forbids_is_named() {
    let dir = Scratch::new();
    let array = filled(&dir.join("x"), |_| ());
    let file = dir.join("x/c/0/0");
    let (whole, block) = (Region::new(&[0, 0], &[8, 8]), Chunk::from_values(&[8, 8], &[1i32; 64]));
    // A directory in the chunk's place can be neither read nor replaced, whoever runs the test.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    std::fs::write(file.join("x"), "x").unwrap();
    for (doing, result) in [("read", array.read(&whole).map(|_| ())), ("write", array.write(&whole, &block))] {
        match result.unwrap_err() {
            SourceError::Io { doing: did, what, .. } => {
                assert_eq!((did, what), (doing, file.display().to_string()));
            }
            other => panic!("{other}"),
        }
    }
    let left: Vec<_> = std::fs::read_dir(dir.join("x/c/0")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
}
