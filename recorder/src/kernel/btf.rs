//! A reader of the kernel's type information, just deep enough to find fields.
//!
//! Layout: `include/uapi/linux/btf.h`. aya reads BTF too but does not give member offsets away.

use std::collections::HashMap;

/// Why type information could not be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// The bytes are not BTF.
    #[error("not BTF: {0}")]
    NotBtf(&'static str),
    /// A struct or one of its fields is not described.
    #[error("no field {0}")]
    NoField(String),
}

const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;

#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    info: u32,
    size_or_type: u32,
    extra: &'a [u8],
}

impl Type<'_> {
    fn kind(&self) -> u32 {
        self.info >> 24 & 0x1f
    }
}

/// Parsed type information.
pub struct Btf<'a> {
    types: Vec<Type<'a>>,
    strings: &'a [u8],
    structs: HashMap<&'a [u8], usize>,
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

// Bytes that follow the 12-byte record of a type.
fn extra_len(info: u32) -> Option<usize> {
    let vlen = (info & 0xffff) as usize;
    Some(match info >> 24 & 0x1f {
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => vlen * 12,
        6 | 13 => vlen * 8,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

impl<'a> Btf<'a> {
    /// Reads the types of a `/sys/kernel/btf` file.
    ///
    /// # Errors
    /// [`BtfError::NotBtf`] with the part that is not in order.
    pub fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
        const SHORT: BtfError = BtfError::NotBtf("cut short");
        if data.first_chunk::<2>() != Some(&0xeb9f_u16.to_le_bytes()) {
            return Err(BtfError::NotBtf("wrong magic"));
        }
        let field = |at| u32_at(data, at).map(|v| v as usize).ok_or(SHORT);
        let (header, type_off, type_len, str_off, str_len) =
            (field(4)?, field(8)?, field(12)?, field(16)?, field(20)?);
        let section = |off: usize, len: usize| data.get(header + off..header + off + len).ok_or(SHORT);
        let (mut rest, strings) = (section(type_off, type_len)?, section(str_off, str_len)?);
        let mut btf = Self { types: Vec::new(), strings, structs: HashMap::new() };
        while let (Some(name), Some(info), Some(size_or_type)) =
            (u32_at(rest, 0), u32_at(rest, 4), u32_at(rest, 8))
        {
            let len = extra_len(info).ok_or(BtfError::NotBtf("unknown kind of type"))?;
            let extra = rest.get(12..12 + len).ok_or(SHORT)?;
            let found = Type { name, info, size_or_type, extra };
            btf.types.push(found);
            if found.kind() == KIND_STRUCT {
                btf.structs.entry(btf.name(name)).or_insert(btf.types.len() - 1);
            }
            rest = rest.get(12 + len..).unwrap_or_default();
        }
        Ok(btf)
    }

    fn name(&self, at: u32) -> &'a [u8] {
        let tail = self.strings.get(at as usize..).unwrap_or_default();
        tail.split(|b| *b == 0).next().unwrap_or_default()
    }

    fn by_id(&self, id: u32) -> Option<&Type<'a>> {
        self.types.get((id as usize).checked_sub(1)?)
    }

    /// Byte offset of a field, looking into unnamed structs and unions too.
    ///
    /// # Errors
    /// [`BtfError::NoField`] if the struct or the field is not there.
    pub fn field_offset(&self, of: &str, field: &str) -> Result<u32, BtfError> {
        let missing = || BtfError::NoField(format!("{of}.{field}"));
        let found = self.structs.get(of.as_bytes()).and_then(|i| self.types.get(*i)).ok_or_else(missing)?;
        let bits = self.member_bits(found, field.as_bytes(), 8).ok_or_else(missing)?;
        Ok(bits / 8)
    }

    fn member_bits(&self, of: &Type<'a>, field: &[u8], depth: u32) -> Option<u32> {
        // With kind_flag the upper eight bits of an offset are a bit-field's width.
        let mask = if of.info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
        for member in of.extra.as_chunks::<12>().0 {
            let (name, id) = (self.name(u32_at(member, 0)?), u32_at(member, 4)?);
            let bits = u32_at(member, 8)? & mask;
            if name == field {
                return Some(bits);
            }
            let inner = self.by_id(id).filter(|t| matches!(t.kind(), KIND_STRUCT | KIND_UNION));
            if let (true, Some(inner), 1..) = (name.is_empty(), inner, depth)
                && let Some(found) = self.member_bits(inner, field, depth - 1)
            {
                return Some(bits + found);
            }
        }
        None
    }

    /// Number of arguments of a raw tracepoint, by the type `btf_trace_NAME`, without its private first one.
    #[must_use]
    pub fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let typedef = format!("btf_trace_{name}");
        let typedef = self.types.iter().find(|t| t.kind() == 8 && self.name(t.name) == typedef.as_bytes())?;
        let pointer = self.by_id(typedef.size_or_type).filter(|t| t.kind() == 2)?;
        let prototype = self.by_id(pointer.size_or_type).filter(|t| t.kind() == 13)?;
        ((prototype.info & 0xffff) as usize).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_of_the_running_kernel_are_found() {
        let Ok(data) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            eprintln!("NOT RUN: this kernel has no BTF");
            return;
        };
        let btf = Btf::parse(&data).unwrap();
        let pid = btf.field_offset("task_struct", "pid").unwrap();
        assert_eq!(btf.field_offset("task_struct", "tgid").unwrap(), pid + 4);
        assert!(btf.field_offset("task_struct", "no_such_field").is_err());
        assert!(btf.tracepoint_arguments("sched_switch").is_some_and(|n| n >= 3));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut data in prop::collection::vec(any::<u8>(), 24..200)) {
            data[0] = 0x9f;
            data[1] = 0xeb;
            for at in [4, 8, 12, 16, 20] {
                data[at + 1] = 0;
                data[at + 2] = 0;
                data[at + 3] = 0;
            }
            if let Ok(btf) = Btf::parse(&data) {
                let _ = btf.field_offset("a", "b");
                let _ = btf.tracepoint_arguments("a");
            }
        }
    }
}
