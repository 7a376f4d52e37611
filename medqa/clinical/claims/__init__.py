"""What a text claims: each quantity with the medicine, measure or person that it belongs to.

In: the quantities of a text. Out: `Claim` objects; which claims of two texts are about the same thing
(`counterparts`, `harmonized`, `contexts`), and when two can both be true (`agreement`, `opposites`,
`exclusives`, `patients`, `mistaken`). Start with `claims`.
"""
