//! Numbers for tuples, in order of first use.

use super::Tuple;

/// Distinct tuples in order of first use, found through an open-addressed table. The tuples come from our
/// own rows: a flood of collisions would cost time only.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    tuples: Vec<T>,
    /// Index + 1 into `tuples`, or 0; a power of two of places, at most half of them in use.
    places: Vec<u32>,
}

impl<T: Tuple> Default for Interner<T> {
    fn default() -> Self {
        Self { tuples: Vec::new(), places: vec![0; 256] }
    }
}

impl<T: Tuple> Interner<T> {
    /// All tuples, by number.
    pub(crate) fn tuples(&self) -> &[T] {
        &self.tuples
    }

    /// Distinct tuples so far.
    pub(crate) fn len(&self) -> usize {
        self.tuples.len()
    }

    /// Forgets all tuples and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.tuples.clear();
        self.places.fill(0);
    }

    /// The number of a tuple, if it has one.
    pub(crate) fn find(&self, tuple: &T) -> Option<u32> {
        self.place(tuple).ok()
    }

    // Its number, or the free place where it belongs. A place that is out of reach cannot be: the mask sees to it.
    #[inline]
    fn place(&self, tuple: &T) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let mut at = (tuple.hash() >> 32) as usize & mask;
        loop {
            let index = self.places.get(at).copied().unwrap_or(0).wrapping_sub(1);
            match self.tuples.get(index as usize) {
                Some(known) if known == tuple => return Ok(index),
                Some(_) => at = (at + 1) & mask,
                None => return Err(at),
            }
        }
    }

    /// The number of a tuple; a new one if it is new.
    #[inline]
    pub(crate) fn id(&mut self, tuple: T) -> u32 {
        match self.place(&tuple) {
            Ok(id) => id,
            Err(at) => self.add(tuple, at),
        }
    }

    #[cold]
    fn add(&mut self, tuple: T, at: usize) -> u32 {
        self.tuples.push(tuple);
        let id = self.tuples.len() as u32;
        if let Some(place) = self.places.get_mut(at) {
            *place = id;
        }
        if self.tuples.len() * 2 > self.places.len() {
            self.grow();
        }
        id - 1
    }

    fn grow(&mut self) {
        let mask = self.places.len() * 2 - 1;
        self.places.clear();
        self.places.resize(mask + 1, 0);
        for (i, tuple) in self.tuples.iter().enumerate() {
            let mut at = (tuple.hash() >> 32) as usize & mask;
            while self.places.get(at).is_some_and(|p| *p != 0) {
                at = (at + 1) & mask;
            }
            if let Some(place) = self.places.get_mut(at) {
                *place = i as u32 + 1;
            }
        }
    }
}
