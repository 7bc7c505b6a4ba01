//! The one zstd frame that holds all columns.
//!
//! Columns differ in which bytes are frequent, and zstd makes its codes anew for each of its blocks only. So a block
//! is ended where a column ends: on a mix of calls that saves a tenth of the bytes, and readers need not know.

use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, compress_bound, get_error_name,
    zstd_sys::ZSTD_EndDirective,
};

use super::WHAT;
use crate::{FormatError, Reason};

/// Higher levels cost three times as much for 1–5 %.
const LEVEL: i32 = 1;
/// Columns shorter than this share a block: codes of their own would cost more than they save.
const SHORT_BYTES: usize = 1 << 10;
/// What a block costs beyond the bound that zstd gives for a whole: its header.
const BLOCK_BYTES: usize = 16;

/// A context that is used for one frame after the other.
pub(super) struct Packer(CCtx<'static>);

impl Packer {
    pub(super) fn new() -> Result<Self, FormatError> {
        let mut context = CCtx::try_create().ok_or_else(|| failed("no memory"))?;
        context.set_parameter(CParameter::CompressionLevel(LEVEL)).map_err(code)?;
        Ok(Self(context))
    }

    /// Packs `bytes` into `out`; a block ends at each of `ends`, unless it would be short.
    pub(super) fn pack(
        &mut self,
        bytes: &[u8],
        ends: &[usize],
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        out.clear();
        out.reserve(compress_bound(bytes.len()) + ends.len() * BLOCK_BYTES);
        self.0.reset(ResetDirective::SessionOnly).map_err(code)?;
        self.0.set_pledged_src_size(Some(bytes.len() as u64)).map_err(code)?;
        let mut output = OutBuffer::around(out);
        let mut from = 0;
        for end in ends {
            if end - from >= SHORT_BYTES && *end < bytes.len() {
                let part = bytes.get(from..*end).unwrap_or_default();
                self.step(part, &mut output, ZSTD_EndDirective::ZSTD_e_flush)?;
                from = *end;
            }
        }
        self.step(bytes.get(from..).unwrap_or_default(), &mut output, ZSTD_EndDirective::ZSTD_e_end)
    }

    fn step(
        &mut self,
        part: &[u8],
        output: &mut OutBuffer<'_, Vec<u8>>,
        end: ZSTD_EndDirective,
    ) -> Result<(), FormatError> {
        let mut input = InBuffer::around(part);
        // There is room for everything, so nothing stays inside; a try that brings nothing further is an error.
        while self.0.compress_stream2(output, &mut input, end).map_err(code)? > 0 {
            if output.pos() == output.capacity() {
                return Err(failed("more bytes than its bound"));
            }
        }
        Ok(())
    }
}

fn code(code: usize) -> FormatError {
    failed(get_error_name(code))
}

fn failed(text: &str) -> FormatError {
    FormatError::new(WHAT, 0, Reason::Compression(text.to_owned()))
}
