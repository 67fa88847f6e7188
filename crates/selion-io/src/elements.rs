//! Elements as bytes.

use selion_core::Chunk;

/// The bytes of a C-ordered chunk.
pub(crate) fn element_bytes(chunk: &Chunk) -> &[u8] {
    let start = chunk.offset() * chunk.dtype().size();
    if chunk.is_empty() { &[] } else { &chunk.buffer().bytes()[start..start + chunk.nbytes()] }
}

/// Turns the byte order of numbers of `size` bytes around.
pub(crate) fn swap_bytes(bytes: &mut [u8], size: usize) {
    match size {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|number| number.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|number| number.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|number| number.reverse()),
        _ => {}
    }
}
