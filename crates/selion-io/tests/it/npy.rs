//! `.npy` files and stacks of them.

use std::io::ErrorKind;

use proptest::prelude::*;
use selion_core::{Chunk, ChunkSink, ChunkSource, DType, Region, SourceError};
use selion_io::{NpyArray, NpyStack};

use crate::Scratch;

fn file(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

#[test]
fn fortran_order_and_big_endian() {
    let dir = Scratch::new();
    let path = dir.join("x.npy");
    let elements: Vec<u8> = (0..6i16).flat_map(i16::to_be_bytes).collect();
    std::fs::write(&path, file("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", &elements)).unwrap();
    let array = NpyArray::open(&path).unwrap();
    assert_eq!(array.read(&Region::new(&[0, 0], &[2, 3])).unwrap().to_vec::<i16>(), [0, 2, 4, 1, 3, 5]);
    assert_eq!(array.read(&Region::new(&[1, 1], &[1, 2])).unwrap().to_vec::<i16>(), [3, 5]);
    array.write(&Region::new(&[0, 1], &[2, 1]), &Chunk::from_values(&[2, 1], &[-1i16, -2])).unwrap();
    assert_eq!(array.read(&Region::new(&[0, 0], &[2, 3])).unwrap().to_vec::<i16>(), [0, -1, 4, 1, -2, 5]);
}

#[test]
fn damage_is_named() {
    let dir = Scratch::new();
    let path = dir.join("x.npy");
    assert!(matches!(NpyArray::open(&path), Err(SourceError::NotFound(what)) if what.ends_with("x.npy")));
    let whole = file("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n", &[0; 24]);
    for len in 0..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        let error = NpyArray::open(&path).unwrap_err();
        assert!(matches!(&error, SourceError::Corrupt { what, .. } if what.ends_with("x.npy")), "{len}: {error}");
    }
    std::fs::write(&path, file("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,), }", &[0; 24]))
        .unwrap();
    let error = NpyArray::open(&path).unwrap_err();
    assert!(matches!(&error, SourceError::Unsupported { feature, .. } if feature.contains("('a', '<f8')")), "{error}");
    std::fs::write(&path, &whole).unwrap();
    let array = NpyArray::open(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let error = array.read(&Region::new(&[0], &[3])).unwrap_err();
    assert!(matches!(error, SourceError::Corrupt { .. }), "{error}");
}

#[test]
fn an_existing_file_is_kept_unless_asked() {
    let dir = Scratch::new();
    NpyArray::create(dir.join("x.npy"), DType::F64, &[], false).unwrap();
    let error = NpyArray::create(dir.join("x.npy"), DType::F64, &[], false).unwrap_err();
    assert!(matches!(error, SourceError::Io { cause, .. } if cause.kind() == ErrorKind::AlreadyExists));
    NpyArray::create(dir.join("x.npy"), DType::I8, &[5], true).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_region_of_a_file_or_a_stack_is_what_was_written(
        lengths in proptest::collection::vec((1usize..25, 0.0..1.0, 0.0..=1.0), 1..4),
        axis in 0usize..3,
        cut in 0.0..=1.0,
        wide in any::<bool>(),
    ) {
        let dir = Scratch::new();
        let mut shape: Vec<usize> = lengths.iter().map(|(len, ..)| *len).collect();
        if wide {
            *shape.last_mut().unwrap() *= 700; // rows far enough apart to be read one by one
        }
        let whole = Region { start: shape.iter().map(|_| 0).collect(), shape: shape[..].into() };
        let mut region = Region::default();
        for ((_, start, len), axis) in lengths.iter().zip(&shape) {
            let start = (start * *axis as f64) as usize;
            region.start.push(start);
            region.shape.push((len * (axis - start) as f64) as usize);
        }
        let total: usize = shape.iter().product();
        let block = Chunk::from_values(&shape, &(0..total as i32).collect::<Vec<_>>());
        let want = block.sub_block(&region.start, &region.shape).to_vec::<i32>();

        let array = NpyArray::create(dir.join("x.npy"), DType::I32, &shape, false).unwrap();
        array.write(&whole, &block).unwrap();
        prop_assert_eq!(array.read(&region).unwrap().to_vec::<i32>(), want.clone());

        let axis = axis % shape.len();
        let first = (cut * shape[axis] as f64) as usize;
        let parts = [first, shape[axis] - first];
        let stack = NpyStack::create(dir.join("stack"), DType::I32, &shape, axis, &parts, false).unwrap();
        stack.write(&whole, &block).unwrap();
        let stack = NpyStack::open(dir.join("stack")).unwrap();
        prop_assert_eq!(stack.axis(), axis);
        prop_assert_eq!(stack.lengths(), parts);
        prop_assert_eq!(stack.read(&region).unwrap().to_vec::<i32>(), want);
    }
}
