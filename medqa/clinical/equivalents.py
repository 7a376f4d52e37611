"""One unit for the amounts of one substance: mmol for mg and mEq, where the substance is known."""

from dataclasses import replace
from fractions import Fraction

from medqa.clinical.quantity import Quantity

# g/mol. Clinicians round converted values to two figures, hence the tolerance.
MOLAR_MASS = {
    "glucose": "180.16", "fasting glucose": "180.16", "2-hour glucose": "180.16", "creatinine": "113.12",
    "cholesterol": "386.65", "LDL": "386.65", "HDL": "386.65", "non-HDL": "386.65", "triglycerides": "885.7",
    "bilirubin": "584.66", "calcium": "40.08", "urea": "60.06", "BUN": "28.01", "urate": "168.11",
    "phosphate": "30.97", "serum magnesium": "24.305", "lactate": "90.08", "ammonia": "17.03",
    "serum iron": "55.85", "cortisol": "362.46", "testosterone": "288.4", "vitamin D": "400.6",
    "vitamin B12": "1355.4", "digoxin": "780.9", "theophylline": "180.16", "lithium": "6.94",
}  # fmt: skip
MOLAR_TOLERANCE = Fraction(35, 1000)
# Charges of an ion; what is not listed has one: 20 mEq of potassium are 20 mmol.
VALENCE = {"calcium": 2, "magnesium": 2, "serum magnesium": 2}
# Haemoglobin in mmol/L counts its four parts: 0.6206 mmol/L are 1 g/dL.
HAEMOGLOBIN_MASS = 16114
# HbA1c in % = 2.15 + 0.0915 · HbA1c in mmol/mol (NGSP and IFCC).
HBA1C = (Fraction(215, 100), Fraction(915, 10000))
HBA1C_TOLERANCE = Fraction(15, 1000)


def in_common_unit(subject: str, quantity: Quantity) -> Quantity:
    """A quantity in the unit in which all amounts of its subject are compared."""
    unit, _, below = quantity.unit.partition("/")
    if subject == "HbA1c" and quantity.unit == "mmol/mol":
        offset, slope = HBA1C
        low, high = quantity.values[0]
        values = ((offset + slope * low, offset + slope * high),)
        return replace(quantity, unit="%", values=values, tolerance=HBA1C_TOLERANCE)
    if subject == "haemoglobin" and quantity.unit == "mmol/L":
        values = tuple((low * HAEMOGLOBIN_MASS, high * HAEMOGLOBIN_MASS) for low, high in quantity.values)
        return replace(quantity, unit="mg/L", values=values, tolerance=MOLAR_TOLERANCE)
    if unit == "mEq":
        factor, tolerance = Fraction(1, VALENCE.get(subject, 1)), 0
    elif unit == "mg" and below == "L" and subject in MOLAR_MASS:
        factor, tolerance = 1 / Fraction(MOLAR_MASS[subject]), MOLAR_TOLERANCE
    else:
        return quantity
    values = tuple((low * factor, high * factor) for low, high in quantity.values)
    name = "mmol" + (f"/{below}" if below else "")
    return replace(quantity, unit=name, values=values, tolerance=max(tolerance, quantity.tolerance))
