//! Values of one column until a row group of them is written.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{LogicalType, Repetition, Type as Physical},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::Result,
    file::writer::SerializedRowGroupWriter,
    schema::types::{Type, TypePtr},
};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers of which few are different: a dictionary of them.
    Few,
    /// Integers that rise or differ: differences of them.
    Many,
    /// Numbers.
    Real,
    /// UTF-8, as a dictionary.
    Text,
}

/// A column's name and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name in the view.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may have no value.
    pub optional: bool,
}

impl Spec {
    /// A column that every row has a value in.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: false }
    }

    /// A column that a row may have no value in.
    pub const fn or_null(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The column in a file's schema.
    ///
    /// # Errors
    /// None with a name and a kind.
    pub fn schema(&self) -> Result<TypePtr> {
        let (physical, logical) = match self.kind {
            Kind::Few | Kind::Many => (Physical::INT64, None),
            Kind::Real => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let repetition = if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let column = Type::primitive_type_builder(self.name, physical);
        Ok(Arc::new(column.with_logical_type(logical).with_repetition(repetition).build()?))
    }
}

/// A value of a row.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// For [`Kind::Few`] and [`Kind::Many`].
    Int(i64),
    /// For [`Kind::Real`].
    Real(f64),
    /// For [`Kind::Text`].
    Text(&'a ByteArray),
    /// No value.
    Null,
}

impl Cell<'_> {
    /// No value if there is none.
    pub fn int(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl<'a> Cell<'a> {
    /// No value if there is none.
    pub fn text(value: Option<&'a ByteArray>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

#[derive(Debug)]
enum Values {
    Ints(Vec<i64>),
    Reals(Vec<f64>),
    Texts(Vec<ByteArray>),
}

/// The values of a column, and in which rows they are.
#[derive(Debug)]
pub struct Column {
    values: Values,
    /// 1 for each row with a value, 0 for one without; none if every row has one.
    there: Option<Vec<i16>>,
}

impl Column {
    /// An empty column.
    pub fn new(spec: &Spec) -> Self {
        let values = match spec.kind {
            Kind::Few | Kind::Many => Values::Ints(Vec::new()),
            Kind::Real => Values::Reals(Vec::new()),
            Kind::Text => Values::Texts(Vec::new()),
        };
        Self { values, there: spec.optional.then(Vec::new) }
    }

    /// Adds the next row's value. One of another kind is not taken: the row group then refuses to be written.
    pub fn push(&mut self, cell: Cell<'_>) {
        match (&mut self.values, cell) {
            (Values::Ints(all), Cell::Int(value)) => all.push(value),
            (Values::Reals(all), Cell::Real(value)) => all.push(value),
            (Values::Texts(all), Cell::Text(value)) => all.push(value.clone()),
            _ => {
                self.there.iter_mut().for_each(|there| there.push(0));
                return;
            }
        }
        self.there.iter_mut().for_each(|there| there.push(1));
    }

    /// Writes the values as the next column of a row group, and forgets them.
    ///
    /// # Errors
    /// As the file does.
    pub fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let Some(mut column) = group.next_column()? else {
            return Ok(());
        };
        let there = self.there.as_deref();
        match &self.values {
            Values::Ints(all) => column.typed::<Int64Type>().write_batch(all, there, None)?,
            Values::Reals(all) => column.typed::<DoubleType>().write_batch(all, there, None)?,
            Values::Texts(all) => column.typed::<ByteArrayType>().write_batch(all, there, None)?,
        };
        column.close()?;
        match &mut self.values {
            Values::Ints(all) => all.clear(),
            Values::Reals(all) => all.clear(),
            Values::Texts(all) => all.clear(),
        }
        self.there.iter_mut().for_each(Vec::clear);
        Ok(())
    }
}
