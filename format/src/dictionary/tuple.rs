//! Fields of a row that repeat together.

use crate::{
    FormatError, Row,
    bytes::{Reader, put_varint},
};

/// Some fields of a row that are named together by one number.
pub(crate) trait Tuple: Copy + Default + Eq {
    /// Varints in its encoded form.
    const VALUES: usize;

    /// The fields of a row.
    fn of(row: &Row) -> Self;
    /// Puts the fields into a row.
    fn set(self, row: &mut Row);
    /// A number that spreads well in its upper half.
    fn hash(&self) -> u64;
    /// Appends its varints.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads its varints; what is wider than a field is cut to it.
    fn read(r: &mut Reader<'_>) -> Result<Self, FormatError>;
}

// An odd number without a pattern; the upper bits of the product depend on all bits below.
#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
}

impl Tuple for Thread {
    const VALUES: usize = 2;

    #[inline]
    fn of(row: &Row) -> Self {
        Self { pid: row.pid, tid: row.tid }
    }

    #[inline]
    fn set(self, row: &mut Row) {
        (row.pid, row.tid) = (self.pid, self.tid);
    }

    #[inline]
    fn hash(&self) -> u64 {
        mix(u64::from(self.pid), u64::from(self.tid))
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.pid.into());
        put_varint(out, self.tid.into());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self { pid: r.varint()? as u32, tid: r.varint()? as u32 })
    }
}

/// What was called and how it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    op: u16,
    flags: u16,
    ret: i32,
    stack: u32,
}

impl Tuple for Kind {
    const VALUES: usize = 4;

    #[inline]
    fn of(row: &Row) -> Self {
        Self { op: row.op, flags: row.flags, ret: row.ret, stack: row.stack }
    }

    #[inline]
    fn set(self, row: &mut Row) {
        (row.op, row.flags, row.ret, row.stack) = (self.op, self.flags, self.ret, self.stack);
    }

    #[inline]
    fn hash(&self) -> u64 {
        let word =
            u64::from(self.ret.cast_unsigned()) << 32 | u64::from(self.flags) << 16 | u64::from(self.op);
        mix(u64::from(self.stack), word)
    }

    fn write(&self, out: &mut Vec<u8>) {
        for value in [self.op.into(), self.flags.into(), self.ret.cast_unsigned(), self.stack] {
            put_varint(out, value.into());
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FormatError> {
        let (op, flags) = (r.varint()? as u16, r.varint()? as u16);
        Ok(Self { op, flags, ret: (r.varint()? as u32).cast_signed(), stack: r.varint()? as u32 })
    }
}

/// A call with its arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Operation number (see [`crate::ops::Op`]).
    pub op: u16,
    /// Bits of [`crate::row::flags`].
    pub flags: u16,
    /// Return value, or task state.
    pub ret: i32,
    /// Stack id, 0 for none.
    pub stack: u32,
    /// First value of the operation; [`crate::ops`] says of what, in which unit.
    pub arg0: u64,
    /// Second value.
    pub arg1: u64,
}

impl Tuple for Call {
    const VALUES: usize = 6;

    #[inline]
    fn of(row: &Row) -> Self {
        let Kind { op, flags, ret, stack } = Kind::of(row);
        Self { op, flags, ret, stack, arg0: row.arg0, arg1: row.arg1 }
    }

    #[inline]
    fn set(self, row: &mut Row) {
        let Self { op, flags, ret, stack, arg0, arg1 } = self;
        Kind { op, flags, ret, stack }.set(row);
        (row.arg0, row.arg1) = (arg0, arg1);
    }

    #[inline]
    fn hash(&self) -> u64 {
        let kind = Kind { op: self.op, flags: self.flags, ret: self.ret, stack: self.stack }.hash();
        mix(mix(kind, self.arg0), self.arg1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        Kind { op: self.op, flags: self.flags, ret: self.ret, stack: self.stack }.write(out);
        put_varint(out, self.arg0);
        put_varint(out, self.arg1);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FormatError> {
        let Kind { op, flags, ret, stack } = Kind::read(r)?;
        Ok(Self { op, flags, ret, stack, arg0: r.varint()?, arg1: r.varint()? })
    }
}

/// The second value alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second(u64);

impl Tuple for Second {
    const VALUES: usize = 1;

    #[inline]
    fn of(row: &Row) -> Self {
        Self(row.arg1)
    }

    #[inline]
    fn set(self, row: &mut Row) {
        row.arg1 = self.0;
    }

    #[inline]
    fn hash(&self) -> u64 {
        mix(0, self.0)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FormatError> {
        r.varint().map(Self)
    }
}
