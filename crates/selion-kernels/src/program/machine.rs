//! Runs a program over a block: tile by tile, one operation after the other.
//!
//! Planned once per program: constants and inputs are operands as they are, every other instruction becomes a step, and
//! temporaries share as few tiles as their lifetimes allow. Run once per tile: inputs that lie in memory as the tile is
//! walked are read in place, others are gathered into a tile of their own; a result that nobody else reads is computed
//! where it belongs.

use std::cell::RefCell;
use std::sync::Arc;

use selion_core::{Buffer, Chunk, DType, Dims, Scalar, Steps};
use smallvec::SmallVec;

use super::geometry::{Axis, Geometry, Position, Strides, TILE, axis_order, geometry};
use super::ir::{Affine, Instr, Output, Program, Reg, args_of};
use super::loops::{Arg, Kernel, LoopError, TimeFactor, cast_kernel, kernel, scale_time, time_factor};
use super::reduce::{Accumulators, Place, Tile};
use crate::random::{Distribution, Indices, Key, Out, Param, fill};
use crate::simd::{Isa, Loop, dispatch, prefetch};

/// Where an instruction's value is while a tile is worked on.
#[derive(Clone, Copy, Debug)]
enum Operand {
    Input(usize),
    Constant(usize),
    Temporary(usize),
}

enum Work {
    Loop(Kernel),
    ScaleTime(TimeFactor),
    Index { slot: usize },
    Random { distribution: Distribution, key: Key, slot: usize },
}

struct Step {
    work: Work,
    args: SmallVec<[(Operand, DType); 3]>,
    dtype: DType,
    /// The temporary that holds the result.
    to: usize,
    /// The output that is this result and nothing else's argument: computed in place where its memory allows.
    output: Option<usize>,
}

/// What is decided about a program before it runs.
pub(crate) struct Plan {
    steps: Vec<Step>,
    operands: Vec<Operand>,
    constants: Vec<Scalar>,
    temporaries: usize,
    input_dtypes: Vec<Option<DType>>,
    /// Whether steps read an input; they take no gaps between rows.
    in_steps: Vec<bool>,
}

/// Chooses operands and temporaries.
pub(crate) fn plan(instrs: &[(Instr, DType)], outputs: &[Output]) -> Plan {
    let mut last_use = vec![0usize; instrs.len()];
    let mut uses = vec![0usize; instrs.len()];
    for (at, (instr, _)) in instrs.iter().enumerate() {
        for arg in args_of(instr) {
            last_use[arg.index()] = at;
            uses[arg.index()] += 1;
        }
    }
    let mut hold = |reg: Reg| {
        last_use[reg.index()] = usize::MAX;
        uses[reg.index()] += 1;
    };
    for output in outputs {
        match output {
            Output::Store(reg) => hold(*reg),
            Output::Reduce { value, index, .. } => {
                hold(*value);
                index.iter().for_each(|index| hold(*index));
            }
        }
    }
    let mut plan = Plan {
        steps: vec![],
        operands: vec![],
        constants: vec![],
        temporaries: 0,
        input_dtypes: vec![],
        in_steps: vec![],
    };
    let mut free: Vec<usize> = Vec::new();
    for (at, (instr, dtype)) in instrs.iter().enumerate() {
        let operand = match instr {
            Instr::Input { slot } => {
                if plan.input_dtypes.len() <= *slot {
                    plan.input_dtypes.resize(slot + 1, None);
                    plan.in_steps.resize(slot + 1, false);
                }
                plan.input_dtypes[*slot] = Some(*dtype);
                Operand::Input(*slot)
            }
            Instr::Constant(value) => {
                plan.constants.push(*value);
                Operand::Constant(plan.constants.len() - 1)
            }
            _ => {
                let to = free.pop().unwrap_or_else(|| {
                    plan.temporaries += 1;
                    plan.temporaries - 1
                });
                let args: SmallVec<[(Operand, DType); 3]> =
                    args_of(instr).iter().map(|arg| (plan.operands[arg.index()], instrs[arg.index()].1)).collect();
                let stored = |output: &Output| matches!(output, Output::Store(reg) if reg.index() == at);
                let output = if uses[at] == 1 { outputs.iter().position(stored) } else { None };
                let work = work(instr, &args, *dtype);
                plan.steps.push(Step { work, args, dtype: *dtype, to, output });
                Operand::Temporary(to)
            }
        };
        plan.operands.push(operand);
        for arg in args_of(instr) {
            if let Operand::Input(slot) = plan.operands[arg.index()] {
                plan.in_steps[slot] = true;
            }
        }
        // Temporaries whose last reader this was are free for the next result, but not for this one.
        for arg in args_of(instr) {
            if last_use[arg.index()] == at
                && let Operand::Temporary(temporary) = plan.operands[arg.index()]
                && !free.contains(&temporary)
            {
                free.push(temporary);
            }
        }
    }
    for output in outputs {
        if let Output::Reduce { index: Some(index), .. } = output
            && let Operand::Input(slot) = plan.operands[index.index()]
        {
            plan.in_steps[slot] = true;
        }
    }
    plan
}

fn work(instr: &Instr, args: &[(Operand, DType)], dtype: DType) -> Work {
    match instr {
        Instr::Apply { op, .. } => {
            let signature = super::Signature { args: args.iter().map(|(_, dtype)| *dtype).collect(), result: dtype };
            Work::Loop(kernel(*op, &signature).unwrap_or(missing))
        }
        Instr::Cast(_) => match (cast_kernel(args[0].1, dtype), time_factor(args[0].1, dtype)) {
            (Some(kernel), _) => Work::Loop(kernel),
            (None, Some(factor)) => Work::ScaleTime(factor),
            (None, None) => Work::Loop(missing),
        },
        Instr::Index { slot } => Work::Index { slot: *slot },
        Instr::Random { distribution, key, slot, .. } => {
            Work::Random { distribution: *distribution, key: *key, slot: *slot }
        }
        Instr::Input { .. } | Instr::Constant(_) => Work::Loop(missing),
    }
}

/// Stands where the builder has already refused the instruction.
fn missing(_: &[Arg<'_>], out: &mut [u8]) -> Result<(), LoopError> {
    out.fill(0);
    Ok(())
}

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// A cache line, so that tiles are aligned for every vector register.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory for a tile of any dtype.
type TileBuffer = Vec<Line>;
const TILE_LINES: usize = TILE * 16 / size_of::<Line>();

thread_local! {
    /// Tiles that runs on this thread hand down to each other.
    static TILES: RefCell<Vec<TileBuffer>> = const { RefCell::new(Vec::new()) };
}

fn take_tiles(count: usize) -> Vec<TileBuffer> {
    let mut tiles = TILES.take();
    while tiles.len() < count {
        tiles.push(vec![Line([0; 64]); TILE_LINES]);
    }
    tiles
}

/// How an input is read for one tile.
enum View {
    /// In place, from this byte on; rows are `pitch` elements apart. Only what no step reads has gaps between rows.
    Direct { start: usize, pitch: usize },
    /// From the tile into which it was gathered.
    Gathered,
    /// The same element throughout.
    Same(Scalar),
}

enum Target {
    Block(Buffer),
    State(Accumulators),
}

impl Program {
    /// Runs the program over a block of the given shape.
    ///
    /// `inputs` have that shape (broadcast axes with stride 0) and the dtypes of the program's inputs; `indices` are its
    /// affine sequences. Returns the outputs in order, a reduction as its state's chunks one after the other.
    ///
    /// # Errors
    /// [`LoopError`], if an element makes the operation impossible.
    ///
    /// # Panics
    /// If an input has another shape or dtype than the program was made for.
    pub fn run(&self, shape: &[usize], inputs: &[Chunk], indices: &[Affine]) -> Result<Vec<Chunk>, LoopError> {
        for (slot, dtype) in self.plan.input_dtypes.iter().enumerate() {
            if let Some(dtype) = dtype {
                assert_eq!(inputs[slot].shape(), shape, "input {slot} has the shape of the block");
                assert_eq!(inputs[slot].dtype().size(), dtype.size(), "input {slot} has the program's dtype");
            }
        }
        let input_strides: SmallVec<[&[isize]; 4]> = inputs.iter().map(Chunk::strides).collect();
        let order = axis_order(shape, &input_strides);
        let layouts: SmallVec<[Layout; 2]> =
            self.outputs.iter().map(|output| Layout::new(output, shape, &order)).collect();
        let operands = inputs.len() + indices.len() + layouts.len();
        let axes = order.iter().map(|axis| {
            let inputs = inputs.iter().map(|input| input.strides()[*axis]);
            let indices = indices.iter().map(|index| index.strides[*axis]);
            let outputs = layouts.iter().map(|layout| layout.strides[*axis]);
            Axis { len: shape[*axis], strides: inputs.chain(indices).chain(outputs).collect() }
        });
        let reduces = |output: &Output| matches!(output, Output::Reduce { .. });
        let only_reduces = self.plan.steps.is_empty() && self.outputs.iter().all(reduces);
        let walk = geometry(axes, inputs.len(), operands - layouts.len(), operands, only_reduces);
        let base: Strides = inputs
            .iter()
            .map(|input| input.offset() as isize)
            .chain(indices.iter().map(|_| 0))
            .chain(layouts.iter().map(|_| 0))
            .collect();

        let mut targets: SmallVec<[Target; 2]> =
            self.outputs.iter().zip(&layouts).map(|(output, layout)| self.target(output, layout)).collect();
        if !shape.contains(&0) {
            let mut tiles = take_tiles(self.plan.temporaries + inputs.len() + 1);
            let result = walk.walk(&base, |position| {
                let (temporaries, rest) = tiles.split_at_mut(self.plan.temporaries);
                let [gathered @ .., spread] = rest else { return Ok(()) };
                let frame =
                    Frame { program: self, walk: &walk, position, inputs, indices, temporaries, gathered, spread };
                frame.run(&mut targets)
            });
            TILES.set(tiles);
            result?;
        }
        let mut chunks = Vec::with_capacity(targets.len());
        for ((target, layout), output) in targets.into_iter().zip(layouts).zip(&self.outputs) {
            let whole = |dtype, buffer| {
                Chunk::from_parts(dtype, layout.shape.clone(), layout.strides_of_shape(), 0, Arc::new(buffer))
            };
            match target {
                Target::Block(buffer) => chunks.push(whole(self.dtype(output.value()), buffer)),
                Target::State(state) => {
                    let count = shape.iter().product::<usize>() / layout.len().max(1);
                    chunks.extend(state.finish(count).into_iter().map(|(dtype, buffer)| whole(dtype, buffer)));
                }
            }
        }
        Ok(chunks)
    }

    fn target(&self, output: &Output, layout: &Layout) -> Target {
        match output {
            Output::Store(reg) => Target::Block(Buffer::scratch(layout.len() * self.dtype(*reg).size())),
            Output::Reduce { op, value, .. } => Target::State(Accumulators::new(*op, self.dtype(*value), layout.len())),
        }
    }
}

impl Output {
    fn value(&self) -> Reg {
        match self {
            Output::Store(reg) => *reg,
            Output::Reduce { value, .. } => *value,
        }
    }
}

/// The memory of an output: without gaps, axes nested as they are walked; reduced axes stand still.
struct Layout {
    shape: Dims,
    strides: Steps,
}

impl Layout {
    fn new(output: &Output, shape: &[usize], order: &[usize]) -> Self {
        let reduced = |axis: usize| matches!(output, Output::Reduce { axes, .. } if axes >> axis & 1 == 1);
        let mut strides: Steps = SmallVec::from_elem(0, shape.len());
        let mut step = 1;
        for axis in order.iter().rev().filter(|axis| !reduced(**axis)) {
            strides[*axis] = step;
            step *= shape[*axis].max(1) as isize;
        }
        let shape = (0..shape.len()).map(|axis| if reduced(axis) { 1 } else { shape[axis] }).collect();
        Layout { shape, strides }
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn strides_of_shape(&self) -> Steps {
        self.strides.clone()
    }
}

/// All that a tile needs.
struct Frame<'a> {
    program: &'a Program,
    walk: &'a Geometry,
    position: &'a Position<'a>,
    inputs: &'a [Chunk],
    indices: &'a [Affine],
    temporaries: &'a mut [TileBuffer],
    gathered: &'a mut [TileBuffer],
    /// Memory for a tile of one repeated element.
    spread: &'a mut TileBuffer,
}

impl Frame<'_> {
    fn run(mut self, targets: &mut [Target]) -> Result<(), LoopError> {
        let plan = &self.program.plan;
        let views: SmallVec<[View; 4]> = (0..self.inputs.len()).map(|slot| self.view(slot)).collect();
        let elements = self.position.rows * self.position.columns;
        let mut done_in_place: u64 = 0;
        let parts = plan.steps.len() + 1;
        for (part, step) in plan.steps.iter().enumerate() {
            self.prefetch(part, parts);
            let in_place = step.output.filter(|output| self.is_contiguous(*output));
            let mut temporary = TileBuffer::new();
            let out: &mut [u8] = match in_place.map(|output| (output, &mut targets[output])) {
                Some((output, Target::Block(buffer))) => {
                    done_in_place |= 1 << output;
                    let start = self.output_base(output) as usize * step.dtype.size();
                    &mut buffer.bytes_mut()[start..start + elements * step.dtype.size()]
                }
                _ => {
                    temporary = std::mem::take(&mut self.temporaries[step.to]);
                    &mut bytemuck::cast_slice_mut(&mut temporary)[..elements * step.dtype.size()]
                }
            };
            let args: SmallVec<[Arg<'_>; 3]> =
                step.args.iter().map(|(operand, dtype)| self.arg(*operand, *dtype, &views)).collect();
            let result = match &step.work {
                Work::Loop(kernel) => kernel(&args, out),
                Work::ScaleTime(factor) => scale_time(args[0], *factor, out),
                Work::Index { slot } => {
                    self.fill_index(*slot, out);
                    Ok(())
                }
                Work::Random { distribution, key, slot } => {
                    self.fill_random(*distribution, *key, *slot, &args, &step.args, out);
                    Ok(())
                }
            };
            drop(args);
            if in_place.is_none() {
                self.temporaries[step.to] = temporary;
            }
            result?;
        }
        self.prefetch(parts - 1, parts);
        for (k, (output, target)) in self.program.outputs.iter().zip(targets).enumerate() {
            match target {
                Target::Block(_) if done_in_place >> k & 1 == 1 => {}
                Target::Block(buffer) => self.store(k, output.value(), buffer, &views),
                Target::State(state) => self.reduce(k, output, state, &views),
            }
        }
        Ok(())
    }

    fn strides(&self, operand: usize) -> (isize, isize) {
        (self.walk.rows.strides[operand], self.walk.columns.strides[operand])
    }

    fn output_operand(&self, output: usize) -> usize {
        self.inputs.len() + self.indices.len() + output
    }

    fn output_base(&self, output: usize) -> isize {
        self.position.base[self.output_operand(output)]
    }

    /// Whether the tile's elements follow each other in an output.
    fn is_contiguous(&self, output: usize) -> bool {
        let (row, column) = self.strides(self.output_operand(output));
        (column == 1 || self.position.columns == 1)
            && (self.position.rows == 1 || row == self.position.columns as isize)
    }

    /// Whether no output sums the tile up in one place, which is better done in one run.
    fn outputs_take_rows(&self) -> bool {
        (0..self.program.outputs.len()).all(|k| self.strides(self.output_operand(k)) != (0, 0))
    }

    /// Decides how an input is read, gathering it if need be.
    fn view(&mut self, slot: usize) -> View {
        let (rows, columns) = (self.position.rows, self.position.columns);
        let (row, column) = self.strides(slot);
        let input = &self.inputs[slot];
        let (at, size) = (self.position.base[slot], input.dtype().size());
        let still = |stride: isize, len: usize| stride == 0 || len == 1;
        if still(row, rows) && still(column, columns) {
            return View::Same(Scalar::from_bytes(input.dtype(), &input.buffer().bytes()[at as usize * size..]));
        }
        let without_gaps = (column == 1 && (rows == 1 || row == columns as isize)) || (columns == 1 && row == 1);
        if without_gaps || (column == 1 && row >= 0 && !self.program.plan.in_steps[slot] && self.outputs_take_rows()) {
            let pitch = if without_gaps { columns } else { row as usize };
            return View::Direct { start: at as usize * size, pitch };
        }
        let tile: &mut [u8] = bytemuck::cast_slice_mut(&mut self.gathered[slot]);
        let from = input.buffer().bytes();
        let plane = Plane { at, row, column, rows, columns };
        match size {
            1 => gather::<u8>(from, plane, tile),
            2 => gather::<u16>(from, plane, tile),
            4 => gather::<u32>(from, plane, tile),
            8 => gather::<u64>(from, plane, tile),
            _ => gather::<[u64; 2]>(from, plane, tile),
        }
        View::Gathered
    }

    /// Asks for part of the memory of the next tile while this one is computed: else a tile's first operation would wait
    /// for memory and the others leave it idle. In parts, because a core has few lines in flight and would wait for those.
    fn prefetch(&self, part: usize, parts: usize) {
        if self.walk.many_runs {
            return; // the CPU does it by itself, and better
        }
        let (rows, columns) = (self.position.rows, self.position.columns);
        for (slot, input) in self.inputs.iter().enumerate() {
            let (row, column) = self.strides(slot);
            let size = input.dtype().size();
            // Runs of elements that lie next to each other: their length, their number, the step from one to the next.
            let (run, runs, step) = match (row, column) {
                (_, 1) if rows == 1 || row == columns as isize => (rows * columns, 1, 0),
                (_, 1) => (columns, rows, row),
                (1, _) => (rows, columns, column),
                _ => continue,
            };
            let lines = (run * size).div_ceil(CACHE_LINE);
            let start = input.buffer().bytes().as_ptr();
            let at = self.position.next[slot] * size as isize;
            let (first, last) = (runs * lines * part / parts, runs * lines * (part + 1) / parts);
            let (mut run, mut line) = (first / lines, first % lines);
            for _ in first..last {
                let offset = at + run as isize * step * size as isize + (line * CACHE_LINE) as isize;
                prefetch(start.wrapping_offset(offset));
                line += 1;
                if line == lines {
                    (run, line) = (run + 1, 0);
                }
            }
        }
    }

    fn arg<'b>(&'b self, operand: Operand, dtype: DType, views: &'b [View]) -> Arg<'b> {
        let nbytes = self.position.rows * self.position.columns * dtype.size();
        match operand {
            Operand::Constant(at) => Arg::Scalar(&self.program.plan.constants[at]),
            Operand::Temporary(at) => Arg::Tile(&bytemuck::cast_slice(&self.temporaries[at])[..nbytes]),
            Operand::Input(slot) => match &views[slot] {
                View::Same(value) => Arg::Scalar(value),
                View::Gathered => Arg::Tile(&bytemuck::cast_slice(&self.gathered[slot])[..nbytes]),
                View::Direct { start, .. } => Arg::Tile(&self.inputs[slot].buffer().bytes()[*start..start + nbytes]),
            },
        }
    }

    /// A register for an output, and the pitch of its rows.
    fn register<'b>(&'b self, reg: Reg, views: &'b [View]) -> (Arg<'b>, usize) {
        let columns = self.position.columns;
        let (rows, size) = (self.position.rows, self.program.dtype(reg).size());
        match self.program.plan.operands[reg.index()] {
            Operand::Input(slot) if let View::Direct { start, pitch } = &views[slot] => {
                let nbytes = ((rows - 1) * pitch + columns) * size;
                (Arg::Tile(&self.inputs[slot].buffer().bytes()[*start..start + nbytes]), *pitch)
            }
            operand => (self.arg(operand, self.program.dtype(reg), views), columns),
        }
    }

    fn fill_index(&self, slot: usize, out: &mut [u8]) {
        let out: &mut [i64] = bytemuck::cast_slice_mut(out);
        let operand = self.inputs.len() + slot;
        let (row, column) = self.strides(operand);
        let start = self.indices[slot].offset + self.position.base[operand] as i64;
        for (r, line) in out.chunks_exact_mut(self.position.columns).enumerate() {
            let start = start + r as i64 * row as i64;
            for (c, value) in line.iter_mut().enumerate() {
                *value = start + c as i64 * column as i64;
            }
        }
    }

    fn fill_random(
        &self,
        distribution: Distribution,
        key: Key,
        slot: usize,
        args: &[Arg<'_>],
        dtypes: &[(Operand, DType)],
        out: &mut [u8],
    ) {
        let operand = self.inputs.len() + slot;
        let (row, column) = self.strides(operand);
        let start = self.indices[slot].offset + self.position.base[operand] as i64;
        let columns = self.position.columns;
        for r in 0..self.position.rows {
            let part = r * columns..(r + 1) * columns;
            let params: SmallVec<[Param<'_>; 3]> = args
                .iter()
                .zip(dtypes)
                .map(|(arg, (_, dtype))| match arg {
                    Arg::Scalar(value) if value.dtype() == DType::I64 => Param::Int(value.get()),
                    Arg::Scalar(value) => Param::Scalar(value.get()),
                    Arg::Tile(bytes) if *dtype == DType::I64 => Param::Ints(&bytemuck::cast_slice(bytes)[part.clone()]),
                    Arg::Tile(bytes) => Param::Slice(&bytemuck::cast_slice(bytes)[part.clone()]),
                })
                .collect();
            let index = Indices { start: (start + r as i64 * row as i64) as u64, step: column as i64 };
            let bytes = &mut out[part.start * 8..part.end * 8];
            let line = if distribution.result_is_integer() {
                Out::I64(bytemuck::cast_slice_mut(bytes))
            } else {
                Out::F64(bytemuck::cast_slice_mut(bytes))
            };
            fill(distribution, key, index, &params, line);
        }
    }

    /// Copies a register to a block whose memory is not the tile's.
    fn store(&self, output: usize, reg: Reg, buffer: &mut Buffer, views: &[View]) {
        let size = self.program.dtype(reg).size();
        let (row, _) = self.strides(self.output_operand(output));
        let columns = self.position.columns;
        for r in 0..self.position.rows {
            let start = (self.output_base(output) + r as isize * row) as usize * size;
            let line = &mut buffer.bytes_mut()[start..start + columns * size];
            match self.register(reg, views) {
                (Arg::Tile(tile), pitch) => line.copy_from_slice(&tile[r * pitch * size..][..columns * size]),
                (Arg::Scalar(value), _) => {
                    line.chunks_exact_mut(size).for_each(|out| out.copy_from_slice(value.bytes()))
                }
            }
        }
    }

    fn reduce(&mut self, k: usize, output: &Output, state: &mut Accumulators, views: &[View]) {
        let Output::Reduce { value, index, .. } = output else { return };
        let operand = self.output_operand(k);
        let (row, column) = self.strides(operand);
        let place = Place {
            at: self.output_base(k) as usize,
            row_step: row as usize,
            column_step: column as usize,
            first: self.walk.first_visit(self.position, operand),
        };
        let (rows, columns) = (self.position.rows, self.position.columns);
        let mut spread = TileBuffer::new();
        let (values, pitch): (&[u8], usize) = match self.register(*value, views) {
            (Arg::Tile(tile), pitch) => (tile, pitch),
            (Arg::Scalar(value), pitch) => {
                let value = *value;
                spread = std::mem::take(self.spread);
                (spread_out(&value, bytemuck::cast_slice_mut(&mut spread), rows * columns), pitch)
            }
        };
        let index = match index.map(|index| self.register(index, views)) {
            Some((Arg::Tile(index), _)) => index,
            _ => &[],
        };
        state.add(&Tile { values, index, rows, columns, pitch }, place);
        if !spread.is_empty() {
            *self.spread = spread;
        }
    }
}

/// Fills a tile with one element, as many times as needed; returns those.
fn spread_out<'a>(value: &Scalar, tile: &'a mut [u8], times: usize) -> &'a [u8] {
    let size = value.dtype().size();
    let tile = &mut tile[..times * size];
    if let Ok(word) = <[u8; 8]>::try_from(value.bytes()) {
        bytemuck::cast_slice_mut::<_, [u8; 8]>(tile).fill(word);
    } else {
        tile.chunks_exact_mut(size).for_each(|element| element.copy_from_slice(value.bytes()));
    }
    tile
}

#[derive(Clone, Copy)]
struct Plane {
    at: isize,
    row: isize,
    column: isize,
    rows: usize,
    columns: usize,
}

/// Copies a strided plane into a tile.
fn gather<W: Word>(from: &[u8], plane: Plane, tile: &mut [u8]) {
    let from: &[W] = bytemuck::cast_slice(&from[..from.len() / size_of::<W>() * size_of::<W>()]);
    let Plane { at, row, column, rows, columns } = plane;
    let tile: &mut [W] = &mut bytemuck::cast_slice_mut(tile)[..rows * columns];
    if column == 1 {
        for (r, line) in tile.chunks_exact_mut(columns).enumerate() {
            let start = (at + r as isize * row) as usize;
            line.copy_from_slice(&from[start..start + columns]);
        }
    } else if column == 0 {
        for (r, line) in tile.chunks_exact_mut(columns).enumerate() {
            line.fill(from[(at + r as isize * row) as usize]);
        }
    } else if column == -1 {
        for (r, line) in tile.chunks_exact_mut(columns).enumerate() {
            let last = (at + r as isize * row) as usize;
            let source = &from[last + 1 - columns..=last];
            line.iter_mut().zip(source.iter().rev()).for_each(|(to, from)| *to = *from);
        }
    } else if row == 1 {
        dispatch(Transpose { from, plane, tile });
    } else {
        for (r, line) in tile.chunks_exact_mut(columns).enumerate() {
            let start = at + r as isize * row;
            for (c, to) in line.iter_mut().enumerate() {
                *to = from[(start + c as isize * column) as usize];
            }
        }
    }
}

/// An element as it is moved about.
trait Word: bytemuck::Pod {
    fn transpose<I: Isa>(block: [[Self; SIDE]; SIDE]) -> [[Self; SIDE]; SIDE] {
        std::array::from_fn(|row| std::array::from_fn(|column| block[column][row]))
    }
}

impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for [u64; 2] {}
impl Word for u64 {
    #[inline(always)]
    fn transpose<I: Isa>(block: [[Self; SIDE]; SIDE]) -> [[Self; SIDE]; SIDE] {
        I::transpose(block)
    }
}

/// Elements of a cache line, if they are doubles.
const SIDE: usize = 8;

/// Copies a plane whose source runs along the rows, in squares, so that lines are read and written whole.
struct Transpose<'a, W> {
    from: &'a [W],
    plane: Plane,
    tile: &'a mut [W],
}

impl<W: Word> Loop for Transpose<'_, W> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Plane { at, column, rows, columns, .. } = self.plane;
        let source = |c: usize| &self.from[(at + c as isize * column) as usize..][..rows];
        let (whole_rows, whole_columns) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
        for c in (0..whole_columns).step_by(SIDE) {
            let sources: [&[W]; SIDE] = std::array::from_fn(|k| source(c + k));
            for r in (0..whole_rows).step_by(SIDE) {
                let block: [[W; SIDE]; SIDE] =
                    std::array::from_fn(|k| std::array::from_fn(|line| sources[k][r..r + SIDE][line]));
                for (k, line) in W::transpose::<I>(block).iter().enumerate() {
                    self.tile[(r + k) * columns + c..][..SIDE].copy_from_slice(line);
                }
            }
        }
        for c in 0..columns {
            let start = if c < whole_columns { whole_rows } else { 0 };
            for (r, value) in source(c).iter().enumerate().skip(start) {
                self.tile[r * columns + c] = *value;
            }
        }
    }
}
