//! The nouns of selion: what every other room speaks of, and the traits by which rooms meet.
//!
//! * values: [`DType`], [`Scalar`], [`Buffer`], [`Chunk`], [`Value`];
//! * work: [`Body`], [`Graph`] and its [`GraphBuilder`], [`order`];
//! * meeting points: [`Executor`] runs a graph, [`ChunkSource`] and [`ChunkSink`] are storage.
//!
//! Nothing here knows threads, sockets, Python, or the clock.

mod buffer;
mod bytes;
mod chunk;
mod copy;
mod dtype;
mod element;
mod exec;
mod graph;
mod memory_sink;
mod order;
mod promise;
mod scalar;
mod source;
mod value;
mod window;

pub use buffer::{Buffer, limit_pool, pool_retained_bytes};
pub use bytes::format_bytes;
pub use chunk::{Chunk, Dims, Steps, Strided, contiguous_strides};
pub use copy::{assign, assign_bytes};
pub use dtype::{DType, DTypeError, Kind, TimeUnit, Weak, promote, promote_weak};
pub use element::{B8, Element};
pub use exec::{
    Body, CancelToken, Enclosure, ExecError, Executor, Host, Observer, Outputs, Silent, TaskContext, TaskError,
};
pub use graph::{Annotations, BodyId, Graph, GraphBuilder, TaskId, ValueId};
pub use memory_sink::MemorySink;
pub use order::order;
pub use promise::Promise;
pub use scalar::Scalar;
pub use source::{ChunkSink, ChunkSource, Region, SourceError};
pub use value::Value;
pub use window::Window;

/// Runs `$body` with `$T` standing for the Rust type of the elements of `$dtype`.
///
/// Datetimes and timedeltas are `i64`; half floats, complex numbers and booleans have their own types.
///
/// ```
/// use selion_core::{DType, with_element};
/// let size = with_element!(DType::F32, T => size_of::<T>());
/// assert_eq!(size, 4);
/// ```
#[macro_export]
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $T = $crate::B8;
                $body
            }
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 | $crate::DType::DateTime(_) | $crate::DType::TimeDelta(_) => {
                type $T = i64;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::DType::F16 => {
                type $T = $crate::f16;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::C64 => {
                type $T = $crate::c64;
                $body
            }
            $crate::DType::C128 => {
                type $T = $crate::c128;
                $body
            }
        }
    };
}

pub use half::f16;
/// A complex number of two `f32`.
#[allow(non_camel_case_types)]
pub type c64 = num_complex::Complex<f32>;
/// A complex number of two `f64`.
#[allow(non_camel_case_types)]
pub type c128 = num_complex::Complex<f64>;
