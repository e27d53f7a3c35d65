//! Arrays of numbers as they are in a safetensors file.

use std::borrow::Cow;

use ndarray::{ArrayView, Dimension};
use safetensors::tensor::{TensorView, View};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

/// A type of numbers that a checkpoint can hold.
pub trait Number: Copy {
    /// Its name in the file.
    const DTYPE: Dtype;

    /// Appends the bytes of the number, the lowest first.
    fn write_to(self, bytes: &mut Vec<u8>);

    /// The number at the beginning of the bytes, and the bytes behind it.
    fn read_from(bytes: &[u8]) -> Option<(Self, &[u8])>;
}

macro_rules! number {
    ($type:ty, $dtype:expr) => {
        impl Number for $type {
            const DTYPE: Dtype = $dtype;

            fn write_to(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }

            fn read_from(bytes: &[u8]) -> Option<(Self, &[u8])> {
                let (first, rest) = bytes.split_first_chunk()?;
                Some((Self::from_le_bytes(*first), rest))
            }
        }
    };
}

number!(f32, Dtype::F32);
number!(f64, Dtype::F64);
number!(u32, Dtype::U32);

/// Numbers of one type in rows, columns and so on.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    /// The numbers of an array.
    pub fn new<T: Number, D: Dimension>(array: &ArrayView<'_, T, D>) -> Self {
        let mut bytes = Vec::new();
        array.iter().for_each(|number| number.write_to(&mut bytes));
        Self { dtype: T::DTYPE, shape: array.shape().to_vec(), bytes }
    }

    /// The sizes of its dimensions, the outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers row by row, if they are of this type and shape; else what they are.
    ///
    /// # Errors
    ///
    /// Fails if the tensor has another type or shape.
    pub fn numbers<T: Number>(&self, shape: &[usize]) -> Result<Vec<T>, String> {
        if self.dtype != T::DTYPE || self.shape != shape {
            let (found, expected) = ((self.dtype, &self.shape), (T::DTYPE, shape));
            return Err(format!(
                "is {:?} {:?}, expected {:?} {:?}",
                found.0, found.1, expected.0, expected.1
            ));
        }
        let mut rest = self.bytes.as_slice();
        Ok(std::iter::from_fn(|| {
            let (number, behind) = T::read_from(rest)?;
            rest = behind;
            Some(number)
        })
        .collect())
    }
}

impl From<TensorView<'_>> for Tensor {
    fn from(view: TensorView<'_>) -> Self {
        let (dtype, shape) = (view.dtype(), view.shape().to_vec());
        Self { dtype, shape, bytes: view.data().to_vec() }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The tensors of a file, with their names.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, SafeTensorError> {
    let file = SafeTensors::deserialize(bytes)?;
    Ok(file.iter().map(|(name, view)| (name.to_owned(), view.into())).collect())
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let numbers = arr2(&[[1.5_f32, -2.0], [f32::MAX, f32::MIN_POSITIVE]]);
        // The transposed array lies in memory column by column, but is written row by row.
        let tensor = Tensor::new(&numbers.t());
        assert_eq!(tensor.shape(), [2, 2]);
        assert_eq!(tensor.numbers(&[2, 2]), Ok(vec![1.5, f32::MAX, -2.0, f32::MIN_POSITIVE]));
    }

    #[test]
    fn another_type_or_shape_is_refused() {
        let tensor = Tensor::new(&arr2(&[[1_u32, 2]]).view());
        let error = tensor.numbers::<u32>(&[2]).unwrap_err();
        assert_eq!(error, "is U32 [1, 2], expected U32 [2]");
        let error = tensor.numbers::<f32>(&[1, 2]).unwrap_err();
        assert_eq!(error, "is U32 [1, 2], expected F32 [1, 2]");
    }
}
