//! Stacks as lines: innermost first.

use crate::{
    mcp::{desk::Desk, refusal::Refusal},
    model::Frame,
};

/// Frames of a stack that are told.
const MOST: usize = 24;

/// A stack's kind and frames.
pub(super) fn lines(desk: &Desk, stack: i64) -> Result<(String, Vec<String>), Refusal> {
    let (kind, frames) = desk.scan.stack(stack)?;
    let frames: Vec<Frame> = serde_json::from_str(&frames).unwrap_or_default();
    let mut lines: Vec<String> = frames.iter().take(MOST).map(line).collect();
    if frames.len() > MOST {
        lines.push(format!("and {} frames more", frames.len() - MOST));
    }
    Ok((kind, lines))
}

/// `attention.forward model.py:88`, `cuLaunchKernel+0x1a libcuda.so.1`, or an address.
fn line(frame: &Frame) -> String {
    let mut line = match (&frame.symbol, frame.offset) {
        (Some(symbol), Some(offset)) => format!("{symbol}+{offset:#x}"),
        (Some(symbol), None) => symbol.clone(),
        (None, _) => frame.address.clone(),
    };
    if let Some(module) = &frame.module {
        line.push(' ');
        line.push_str(module);
    }
    if let Some(file) = &frame.file {
        line.push(' ');
        line.push_str(file);
        if let Some(number) = frame.line {
            line.push_str(&format!(":{number}"));
        }
    }
    line
}
