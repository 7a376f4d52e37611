"""One unit for the amounts of one substance: mmol for mg and mEq, where the substance is known."""

import re
from dataclasses import replace
from fractions import Fraction

from medqa.clinical.notation.names import MEASURE_NAMES
from medqa.clinical.quantities.quantity import Quantity

# g/mol. Clinicians round converted values to two figures, hence the tolerance.
MOLAR_MASS = {
    "glucose": "180.16", "fasting glucose": "180.16", "2-hour glucose": "180.16", "creatinine": "113.12",
    "cholesterol": "386.65", "LDL": "386.65", "HDL": "386.65", "non-HDL": "386.65", "triglycerides": "885.7",
    "bilirubin": "584.66", "conjugated bilirubin": "584.66", "calcium": "40.08", "urea": "60.06",
    "BUN": "28.01", "urate": "168.11", "phosphate": "30.97", "serum magnesium": "24.305",
    "lactate": "90.08", "ammonia": "17.03", "serum iron": "55.85", "iron binding capacity": "55.85",
    "ketones": "104.1", "serum sodium": "22.99", "serum potassium": "39.1", "chloride": "35.45",
    "zinc": "65.38", "copper": "63.55", "lead level": "207.2", "selenium": "78.97",
    # hormones and vitamins
    "cortisol": "362.46", "testosterone": "288.4", "estradiol": "272.38", "progesterone": "314.46",
    "aldosterone": "360.44", "DHEAS": "368.5", "17-hydroxyprogesterone": "330.46", "free T4": "776.87",
    "free T3": "650.97", "C-peptide": "3020.3", "parathyroid hormone": "9425", "ACTH": "4541",
    "homocysteine": "135.18", "vitamin D": "400.6", "vitamin B12": "1355.4", "serum folate": "441.4",
    # medicines whose levels are measured
    "digoxin": "780.9", "theophylline": "180.16", "caffeine": "194.19", "lithium": "6.94",
    "paracetamol": "151.16", "salicylate level": "138.12", "phenytoin": "252.27", "carbamazepine": "236.27",
    "valproate": "144.21", "phenobarbital": "232.24", "lamotrigine": "256.09", "levetiracetam": "170.21",
    "methotrexate": "454.44", "ciclosporin": "1202.6", "tacrolimus": "804.0", "vancomycin": "1449.3",
    "gentamicin": "477.6", "ethanol": "46.07", "amiodarone": "645.3", "lidocaine": "234.34",
}  # fmt: skip
MOLAR_TOLERANCE = Fraction(35, 1000)
# Charges of an ion; what is not listed has one: 20 mEq of potassium are 20 mmol.
VALENCE = {"calcium": 2, "magnesium": 2, "serum magnesium": 2}
# Haemoglobin in mmol/L counts its four parts: 0.6206 mmol/L are 1 g/dL.
HAEMOGLOBIN_MASS = 16114
# HbA1c in % = 2.15 + 0.0915 · HbA1c in mmol/mol (NGSP and IFCC).
HBA1C = (Fraction(215, 100), Fraction(915, 10000))
HBA1C_TOLERANCE = Fraction(15, 1000)
# An electrolyte in the blood is a measure, in a diet or an infusion bag it is not.
IN_BLOOD = {
    "potassium": "serum potassium", "sodium": "serum sodium", "magnesium": "serum magnesium",
    "iron": "serum iron", "bicarbonate": "bicarbonate level",
}  # fmt: skip
NOT_IN_BLOOD = {level: name for name, level in IN_BLOOD.items()}
# Units of doses, which belong to a name anywhere in the sentence. Others (percentages, lengths, rates) count
# only right beside a name: "HbA1c 6.5 %", but not "lowers the risk by 30 %".
DOSE_UNIT = re.compile(
    "(?:mg|mL|IU|mEq|mmol)(?:/kg|/m2|/kg/h|/h)?$|tablet|capsule|puff|drop|spray|patch|sachet|suppository"
    "|vial|pen|implant|lozenge"
)
# What has a level in the blood, and units of levels.
LEVELS = (MEASURE_NAMES | MOLAR_MASS.keys() | IN_BLOOD.keys()) - {"fluid", "salt", "weight"}
MOLAR = frozenset({"mmol/L", "mEq/L"})
PER_DL = re.compile(r"[/ ](?:dl|decilit)|100 ?ml")


def in_common_unit(subject: str, quantity: Quantity, level: bool = False) -> Quantity:
    """A quantity in the unit in which all amounts of its subject are compared.

    `level` says that mg/L of a medicine is its level in the blood; else it can be the strength of a solution.
    """
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
    elif unit == "mg" and below == "L" and subject in MOLAR_MASS and (level or subject in MEASURE_NAMES):
        factor, tolerance = 1 / Fraction(MOLAR_MASS[subject]), MOLAR_TOLERANCE
    else:
        return quantity
    values = tuple((low * factor, high * factor) for low, high in quantity.values)
    name = "mmol" + (f"/{below}" if below else "")
    return replace(quantity, unit=name, values=values, tolerance=max(tolerance, quantity.tolerance))


def for_unit(subject: str, unit: str) -> str:
    """The level of an electrolyte for "mmol/L", the electrolyte itself for "g" or "mmol"."""
    if unit in MOLAR or unit == "mg/L":
        return IN_BLOOD.get(subject, subject)
    return NOT_IN_BLOOD.get(subject, subject) if DOSE_UNIT.match(unit) else subject
