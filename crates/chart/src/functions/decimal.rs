//! Decimal arithmetic for Sprig's float functions, so that `addf 0.1 0.2` is 0.3.

/// A number as digits times a power of ten. Where the digits outgrow 128 bits a float takes over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decimal {
    Exact { digits: i128, exponent: i32 },
    Inexact(f64),
}

/// How many places a quotient keeps.
const DIVISION_PLACES: i32 = 16;

impl Decimal {
    pub(super) fn from_float(value: f64) -> Self {
        let scientific = format!("{value:e}");
        let parsed = scientific.split_once('e').and_then(|(mantissa, exponent)| {
            let places = mantissa
                .split_once('.')
                .map_or(0, |(_, fraction)| fraction.len() as i32);
            let digits = mantissa.replace('.', "").parse().ok()?;
            Some(Self::Exact {
                digits,
                exponent: exponent.parse::<i32>().ok()? - places,
            })
        });
        parsed.unwrap_or(Self::Inexact(value))
    }

    pub(super) fn to_float(self) -> f64 {
        match self {
            Self::Exact { digits, exponent } => format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN),
            Self::Inexact(value) => value,
        }
    }

    /// Both numbers over the same power of ten.
    fn aligned(self, other: Self) -> Option<(i128, i128, i32)> {
        let (
            Self::Exact {
                digits: a,
                exponent: x,
            },
            Self::Exact {
                digits: b,
                exponent: y,
            },
        ) = (self, other)
        else {
            return None;
        };
        let exponent = x.min(y);
        let scale = |digits: i128, from: i32| {
            10_i128
                .checked_pow(u32::try_from(from - exponent).ok()?)?
                .checked_mul(digits)
        };
        Some((scale(a, x)?, scale(b, y)?, exponent))
    }

    pub(super) fn add(self, other: Self) -> Self {
        self.aligned(other)
            .and_then(|(a, b, exponent)| {
                Some(Self::Exact {
                    digits: a.checked_add(b)?,
                    exponent,
                })
            })
            .unwrap_or_else(|| Self::Inexact(self.to_float() + other.to_float()))
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        self.aligned(other)
            .and_then(|(a, b, exponent)| {
                Some(Self::Exact {
                    digits: a.checked_sub(b)?,
                    exponent,
                })
            })
            .unwrap_or_else(|| Self::Inexact(self.to_float() - other.to_float()))
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        let exact = match (self, other) {
            (
                Self::Exact {
                    digits: a,
                    exponent: x,
                },
                Self::Exact {
                    digits: b,
                    exponent: y,
                },
            ) => a.checked_mul(b).map(|digits| Self::Exact {
                digits,
                exponent: x + y,
            }),
            _ => None,
        };
        exact.unwrap_or_else(|| Self::Inexact(self.to_float() * other.to_float()))
    }

    pub(super) fn divide(self, other: Self) -> Self {
        let exact = || {
            let (a, b, _) = self.aligned(other)?;
            let scaled = a.checked_mul(10_i128.pow(DIVISION_PLACES as u32))?;
            let (quotient, rest) = (scaled.checked_div(b)?, scaled.checked_rem(b)?);
            let half_up = i128::from(rest.checked_mul(2)?.abs() >= b.abs()) * scaled.signum() * b.signum();
            Some(Self::Exact {
                digits: quotient + half_up,
                exponent: -DIVISION_PLACES,
            })
        };
        exact().unwrap_or_else(|| Self::Inexact(self.to_float() / other.to_float()))
    }
}
