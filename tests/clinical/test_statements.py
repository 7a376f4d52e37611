"""Advice, findings and exclusions as leaflets, letters and chatbots word them, and names of one thing."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


# A statement, the same in other words, another statement
STATEMENTS = """
Allopurinol should be interrupted while the rash is being looked into.
Pause allopurinol until we know what the rash is.
Carry on with allopurinol while the rash is being looked into.

Methotrexate cannot be prescribed for men who are not using condoms.
Men have to use condoms if they are to take methotrexate.
Methotrexate can be prescribed for men who are not using condoms.

Do not give valproate to a girl who is not on a pregnancy prevention programme.
A girl must be on a pregnancy prevention programme to receive valproate.
A girl may receive valproate without a pregnancy prevention programme.

The MRI cannot be done unless the pacemaker is MRI-safe.
For the MRI the pacemaker has to be MRI-safe.
The MRI can be done even if the pacemaker is not MRI-safe.

Urine culture grew nothing.
The urine was sterile on culture.
Urine culture grew E. coli.

The CSF culture showed no growth.
CSF was sterile.
The CSF culture was positive.

The nodule is possibly cancerous.
The nodule might be a cancer.
The nodule is not cancerous.

There may be a fracture of the scaphoid.
A scaphoid fracture is possible.
There is no fracture of the scaphoid.

This tablet is unlikely to make you drowsy.
Drowsiness is not to be expected with this tablet.
This tablet is likely to make you drowsy.

It's unlikely that the cough is due to ramipril.
Ramipril is probably not the cause of the cough.
The cough is likely due to ramipril.

The neck was supple and not stiff.
Supple neck, no stiffness.
The neck was stiff.

The abdomen is soft, non-distended and non-tender.
Abdomen: soft, no distension, no tenderness.
The abdomen is distended and tender.

The calves are soft and non-tender.
Soft calves without tenderness.
Both calves are tender.

You can drink alcohol in moderation with this medicine.
A little alcohol is fine while you take it.
Do not drink any alcohol with this medicine.

A runny nose is no reason to postpone the measles vaccine.
Children with a runny nose can have the measles jab as planned.
Children with a runny nose should not have the measles jab.

Dry cough, no phlegm, no blood.
The cough is dry; nothing is brought up and there's no blood.
The cough brings up blood.

Amiodarone – stop. Bisoprolol – continue.
We have stopped your amiodarone, but please carry on with bisoprolol.
We have stopped your bisoprolol, but please carry on with amiodarone.

Metformin: withhold for 48 h after the scan.
Leave out your metformin for two days after the scan.
Keep taking your metformin in the two days after the scan.

Aspirin – omit on the day of surgery.
Don't take your aspirin on the day of the operation.
Take your aspirin on the day of the operation.

A negative D-dimer does not exclude a PE in a high-risk patient.
In someone at high risk, pulmonary embolism is still possible with a negative D-dimer.
In a high-risk patient, a negative D-dimer rules out pulmonary embolism.

A normal chest X-ray does not rule out pneumonia.
Pneumonia can be present although the chest film is clear.
A normal chest X-ray rules out pneumonia.

She lacks insight into her illness.
She has no insight into her illness.
She doesn't lack insight into her illness.

He isn't taking any medicines.
He takes no tablets.
He takes several medicines.

The tumour is resectable.
The tumour can be removed by surgery.
The tumour is unresectable.

You don't need to stop breastfeeding while on amoxicillin.
Amoxicillin is fine while you are breastfeeding.
You need to stop breastfeeding while on amoxicillin.

It is safe to breastfeed while taking paracetamol.
Paracetamol can be taken during breastfeeding.
Breastfeeding is not safe while taking paracetamol.

The rash, which began on Monday, has gone.
There's no rash any more.
The rash, which began on Monday, has got worse.

His fever, which lasted five days, has settled.
He no longer has a fever.
He still has a fever.

Milk should not be drunk with doxycycline.
While taking doxycycline avoid milk.
Milk can be drunk with doxycycline.

Antacids should not be taken together with ciprofloxacin.
Keep antacids away from ciprofloxacin.
Antacids can be taken together with ciprofloxacin.

No allergies to any medicines.
She has no drug allergies.
She is allergic to penicillin.

The pregnancy test came back negative.
She isn't pregnant.
She is pregnant.

The stool tested negative for C. difficile.
No C. difficile in the stool.
C. difficile was found in the stool.

Vision is unaffected.
There is no visual loss.
Vision loss has occurred.

He has never smoked.
He's a lifelong non-smoker.
He smokes.

She gave up smoking in 2010.
She is an ex-smoker; she quit in 2010.
She is still smoking.

No history of epilepsy.
He's never had epilepsy.
He has a history of epilepsy.

Swelling of the ankles was absent.
No ankle swelling.
Swollen ankles were noted.

Warfarin can be restarted.
It's OK to go back on warfarin.
Warfarin must not be restarted.

Surgery isn't needed.
There's no need for an operation.
Surgery is needed.

The wound shows no signs of infection.
The wound doesn't look infected.
The wound looks infected.

Antibiotics won't help a cold.
For a cold, antibiotics are useless.
Antibiotics help a cold.

You can fly with this condition.
Air travel is not a problem.
You can't fly with this condition.

Don't use ibuprofen if you have kidney disease.
People with kidney disease should stay clear of ibuprofen.
People with kidney disease can use ibuprofen.

Live vaccines are contraindicated in immunosuppressed patients.
Immunosuppressed people must not get live vaccines.
Immunosuppressed people can get live vaccines.

The patient is afebrile and haemodynamically stable.
No fever; circulation stable.
The patient is febrile.

Grapefruit doesn't interact with pravastatin.
There's no interaction between pravastatin and grapefruit.
Grapefruit interacts with pravastatin.

There was no improvement with salbutamol.
Salbutamol didn't help.
Salbutamol helped.

Chest clear, no wheeze or crackles.
On listening to the lungs there were neither crackles nor wheezing.
Wheeze and crackles were heard.

No dose adjustment is needed in renal impairment.
Kidney impairment calls for no change of dose.
The dose must be reduced in renal impairment.

She denies chest pain, but has palpitations.
Palpitations without chest pain.
She has chest pain, but no palpitations.

Blood pressure is normal; hypertension is not present.
No hypertension.
Hypertension is present.

He was not dehydrated.
No dehydration.
He was dehydrated.

The hepatitis B test was negative; hepatitis C was positive.
Hepatitis C positive, hepatitis B negative.
Hepatitis B positive, hepatitis C negative.

Biopsy excluded coeliac disease.
Coeliac disease was ruled out by biopsy.
Biopsy confirmed coeliac disease.

There's nothing to suggest meningitis.
No sign of meningitis.
The findings suggest meningitis.

Avoid alcohol during treatment with metronidazole.
No alcohol while you're on metronidazole, please.
Alcohol is allowed during treatment with metronidazole.

Penicillin allergy was not confirmed.
Testing showed no penicillin allergy.
Penicillin allergy was confirmed.

The headache isn't caused by a tumour.
A tumour is not behind the headache.
The headache is caused by a tumour.

Rabies vaccine had never been given.
She's never had a rabies jab.
She has had the rabies vaccine.

The child has not had chickenpox.
No history of varicella in this child.
The child has had chickenpox.

Please don't drive until the dizziness has stopped.
No driving while you are dizzy.
You may drive while you are dizzy.

Insulin should never be stopped when you're ill.
On sick days, keep taking insulin.
On sick days, stop taking insulin.

Don't take St John's wort with the pill.
St John's wort must be avoided by women on the contraceptive pill.
St John's wort can be taken with the pill.

The scan is reassuring: no clot was seen.
No blood clot on the scan.
The scan showed a clot.

Clopidogrel is to go on after the stent; aspirin is to be dropped.
After the stent clopidogrel continues and aspirin is stopped.
After the stent aspirin continues and clopidogrel is stopped.

She can't tolerate statins.
Statins are not tolerated.
She tolerates statins well.

He's not on blood thinners.
No anticoagulant.
He takes an anticoagulant.

The thyroid was not enlarged.
No goitre.
A goitre was felt.

Hearing is intact on both sides.
No hearing loss.
Hearing loss on both sides.

Tetracycline should be kept away from children under eight.
Children under eight must not be given tetracycline.
Tetracycline can be given to children under eight.

Prednisolone was suspended during the infection.
During the infection prednisolone was put on hold.
During the infection prednisolone was carried on.

Warfarin – hold for 5 days before the procedure.
No warfarin in the five days before the procedure.
Keep taking warfarin in the five days before the procedure.

Lithium is not given to anyone whose kidney function has not been checked.
Kidney function must be checked before lithium is given.
Lithium is given to anyone, even if kidney function has not been checked.

You may not drive unless you have been seizure-free for a year.
Driving requires a year without seizures.
You may drive although you have had seizures this year.

Sputum culture remained sterile.
Nothing grew in the sputum culture.
The sputum culture grew pseudomonas.

Probably viral.
It looks viral.
It isn't viral.

Suspected appendicitis.
Appendicitis is suspected.
There's no appendicitis.

She probably has shingles.
It's likely to be shingles.
She does not have shingles.

The medicine is unlikely to harm the baby.
Harm to the baby is not expected.
The medicine is likely to harm the baby.

It is unlikely that the dizziness is caused by the tablets.
The tablets are probably not behind the dizziness.
The dizziness is likely caused by the tablets.

Non-pregnant women may take it.
Women may take it if they are not pregnant.
Pregnant women may take it.

Liver and spleen are not enlarged.
No hepatosplenomegaly.
Liver and spleen are enlarged.

Lymph nodes not palpable.
No lymphadenopathy.
Enlarged lymph nodes were felt.

Appetite is normal.
No loss of appetite.
He has lost his appetite.

The cough, which had lasted a month, has cleared.
He no longer coughs.
He still coughs.

Nausea, which is usually mild, has not occurred.
No nausea.
Nausea has occurred.

Tetracyclines should not be taken with dairy products.
Don't have dairy products when you take a tetracycline.
Tetracyclines can be taken with dairy products.

Paracetamol doesn't treat the infection.
The infection is not cured by paracetamol.
Paracetamol treats the infection.

Statins do not cause dementia.
There's no evidence that statins lead to dementia.
Statins cause dementia.

This ointment does not contain steroids.
The ointment is steroid-free.
This ointment contains steroids.

The tablets are gluten-free.
These tablets contain no gluten.
The tablets contain gluten.

The vaccine contains no live virus.
There is no live virus in the vaccine.
The vaccine contains live virus.

You can't catch shingles from someone.
Shingles isn't caught from other people.
You can catch shingles from someone.

Shingles is not contagious, but you can give someone chickenpox.
Shingles can't be passed on, although chickenpox may be.
Shingles is contagious.

Asthma can't be cured, but it can be controlled.
There's no cure for asthma; control is possible.
Asthma can be cured.

Don't give honey to babies.
Babies should never have honey.
Honey can be given to babies.

No need to fast.
You needn't fast.
You need to fast.

There is no need to wear a mask.
You don't have to wear a mask.
You must wear a mask.

It isn't necessary to take the tablets with food.
The tablets can be taken without food.
It's necessary to take the tablets with food.

She's not short of breath at rest.
No dyspnoea at rest.
She is short of breath at rest.

There was no response to antibiotics.
Antibiotics had no effect.
There was a good response to antibiotics.

He didn't lose consciousness.
No loss of consciousness.
He lost consciousness.

No red flags.
Red flags: none.
Red flags are present.

Allergies: nil known.
No known allergies.
Allergies: penicillin.

Surgery is not an option.
Surgery isn't possible.
Surgery is an option.

Chemotherapy is no longer an option.
Chemotherapy is off the table now.
Chemotherapy is an option.

Metformin should not be used when the eGFR is below 30.
Below an eGFR of 30, metformin is contraindicated.
Metformin can be used when the eGFR is below 30.

Aspirin isn't suitable for children under 16.
Aspirin must be avoided under 16.
Aspirin is suitable for children under 16.

Nobody under 16 should take aspirin.
Aspirin is not for under-16s.
Anybody under 16 can take aspirin.

Neither cough nor fever was present.
No cough, no fever.
Cough and fever were present.

He hasn't got diabetes.
No diabetes.
He has got diabetes.

Diabetes was excluded.
He doesn't have diabetes.
Diabetes was diagnosed.

The antibody test was not positive.
Antibodies negative.
The antibody test was positive.

She is immune to rubella.
Her rubella immunity is confirmed.
She is not immune to rubella.

Sex is safe in pregnancy.
Intercourse in pregnancy does no harm.
Sex is unsafe in pregnancy.

Ibuprofen is better avoided in the third trimester.
It's best not to take ibuprofen in the third trimester.
Ibuprofen is fine in the third trimester.

The knee is stable.
No instability of the knee.
The knee is unstable.

The fracture is undisplaced.
No displacement of the fracture.
The fracture is displaced.

Her periods are regular.
No irregularity of her periods.
Her periods are irregular.

The pupils are equal and reactive.
Pupils equal, reacting to light.
The pupils are unequal.

Reflexes were present.
Reflexes were not absent.
Reflexes were absent.

The drug is well tolerated.
There were no problems with the drug.
The drug is poorly tolerated.

He can swallow tablets.
Swallowing tablets is no problem.
He cannot swallow tablets.

He is able to walk.
He can walk.
He is unable to walk.

The patient refuses dialysis.
Dialysis has been declined.
The patient has accepted dialysis.

He agreed to the operation.
He consented to surgery.
He declined the operation.

Without treatment, the infection spreads.
If untreated, the infection spreads.
With treatment, the infection spreads.

Ask your doctor before you stop taking prednisone.
Don't stop prednisone on your own.
Stop taking prednisone without asking your doctor.

You should not become pregnant while on methotrexate.
Pregnancy has to be avoided during methotrexate.
You can become pregnant while on methotrexate.

There is no link between the MMR vaccine and autism.
The MMR jab doesn't cause autism.
The MMR vaccine causes autism.

Antihistamines may make you sleepy; don't drive if affected.
If an antihistamine makes you drowsy, stay away from the wheel.
Antihistamines never make you sleepy; you can drive.

Colchicine was put on hold because of diarrhoea.
Because of diarrhoea, colchicine was paused.
Colchicine was continued despite diarrhoea.

The steroid cream should be skipped on the face.
Don't use the steroid cream on the face.
The steroid cream should be used on the face.

Ondansetron has been dropped.
Ondansetron has been discontinued.
Ondansetron has been kept.

Live vaccines can't be given to people who are taking biologics.
No live vaccines for people on biologics.
Live vaccines can be given to people who are taking biologics.

Clozapine can't be dispensed without a blood count.
Clozapine is only dispensed after a blood count.
Clozapine can be dispensed even without a blood count.

A driver may not return to work until the eye test is passed.
The eye test has to be passed before a driver returns to work.
A driver may return to work although the eye test was not passed.

The pleural fluid was sterile.
Culture of the pleural fluid was negative.
Culture of the pleural fluid was positive.

Possibly a stroke.
A stroke is possible.
It is not a stroke.

It's probably a migraine.
Migraine is likely.
It's not a migraine.

The lump is likely to be benign.
The lump is probably harmless.
The lump is not benign.

The treatment is unlikely to affect fertility.
Fertility is not expected to suffer.
The treatment is likely to affect fertility.

Non-tender, mobile lump.
The lump is mobile and not tender.
The lump is tender.

The liver was not palpable.
No hepatomegaly.
Hepatomegaly was found.

Hearing is normal.
No deafness.
Deafness was found.

The dog bite, which was three days old, has healed.
The bite has healed.
The dog bite, which was three days old, has not healed.

Grapefruit juice should not be drunk with atorvastatin.
While on atorvastatin avoid grapefruit juice.
Grapefruit juice can be drunk with atorvastatin.

Antibiotics don't cure viral infections.
Viral infections are not cured by antibiotics.
Antibiotics cure viral infections.

Vitamin C doesn't prevent colds.
Taking vitamin C won't keep colds away.
Vitamin C prevents colds.

There is no evidence that paracetamol causes asthma.
Paracetamol has not been shown to cause asthma.
There is evidence that paracetamol causes asthma.

The capsules are lactose-free.
The capsules contain no lactose.
The capsules contain lactose.

Nobody under 18 should use this cream.
This cream is not for children.
Anyone under 18 can use this cream.

Ex-smoker, stopped five years ago.
He gave up smoking five years ago.
He still smokes.

She has never smoked.
Lifelong non-smoker.
She smokes.

Amlodipine was well tolerated.
She tolerated amlodipine well.
Amlodipine was poorly tolerated.

Ask us before you stop your tablets.
Do not stop your tablets without asking us.
Stop your tablets without asking us.

Tacrolimus: withhold this morning's dose.
Don't take tacrolimus this morning.
Take tacrolimus this morning.

Apixaban - stop 48 hours before surgery.
No apixaban in the 48 hours before surgery.
Take apixaban in the 48 hours before surgery.

A normal CT does not exclude a subarachnoid haemorrhage.
A subarachnoid haemorrhage is possible even if the CT is normal.
A normal CT excludes a subarachnoid haemorrhage.

Vaccination is not a reason to interrupt breastfeeding.
Keep breastfeeding after a vaccination.
Interrupt breastfeeding after a vaccination.

The seizures have stopped.
No more seizures.
The seizures have continued.

His pain has gone.
He has no pain any more.
His pain has got worse.

There has been no relapse.
No recurrence.
There has been a relapse.

Her mood is not low.
No depression.
Her mood is low.

No weight loss, no night sweats.
Weight stable, no sweating at night.
Weight loss and night sweats.

You must not breastfeed on this drug.
Breastfeeding is not allowed on this drug.
You can breastfeed on this drug.

You needn't stop the pill.
There is no need to stop the pill.
You must stop the pill.

The infection isn't serious.
It's not a serious infection.
The infection is serious.

Neither parent is a carrier.
None of the parents is a carrier.
Both parents are carriers.

No one else in the family is affected.
Nobody else in the family has it.
Others in the family are affected.

The stitches need not be removed.
Stitches don't have to be taken out.
The stitches must be removed.

The graft is not being rejected.
No graft rejection.
The graft is being rejected.

Oxygen is not required.
He needs no oxygen.
He needs oxygen.

He was never intubated.
No intubation was needed.
He was intubated.

The test can't tell whether you are immune.
The test doesn't show immunity.
The test shows that you are immune.

Don't stop tamoxifen early.
Tamoxifen should not be stopped early.
Tamoxifen can be stopped early.

Aspirin isn't given for viral illness in children.
Children with a viral illness get no aspirin.
Children with a viral illness get aspirin.

She is not known to have epilepsy.
No known epilepsy.
She is known to have epilepsy.

Her diabetes is not controlled.
Poorly controlled diabetes.
Her diabetes is well controlled.

The wound has not healed.
The wound is still open.
The wound has healed.

HIV and syphilis negative.
Negative for HIV and syphilis.
HIV positive, syphilis negative.

Unfortunately the culture was positive.
The culture was positive.
Fortunately the culture was negative.

The ECG was unremarkable.
Normal ECG.
The ECG was not normal.

Ramipril is left unchanged.
Ramipril stays as it is.
Ramipril is stopped.

Increase the furosemide and leave the spironolactone as it is.
Spironolactone unchanged, furosemide up.
Stop the furosemide and leave the spironolactone as it is.

Malaria and dengue tests negative.
Neither malaria nor dengue was found.
Malaria and dengue tests positive.

Asthma and COPD were ruled out.
She has neither asthma nor COPD.
She has asthma and COPD.

He has diabetes and hypertension was excluded.
Diabetes, but no hypertension.
Hypertension, but no diabetes.

Fever present, cough absent.
Febrile without cough.
Cough present, fever absent.

Tenderness and guarding absent.
No tenderness or guarding.
Tenderness and guarding present.

Don't take it on an empty stomach.
Take it with food.
Take it on an empty stomach.

You'll be able to eat normally.
There is no need for a diet.
You won't be able to eat normally.

The risk of bleeding isn't increased.
No increased bleeding risk.
The risk of bleeding is increased.

Sildenafil must not be combined with nitrates.
Never take sildenafil together with nitrates.
Sildenafil may be combined with nitrates.

You shouldn't drive if you feel dizzy.
If you feel dizzy, don't drive.
You can drive if you feel dizzy.

This isn't an emergency.
It's no emergency.
This is an emergency.

The drug has no effect on blood sugar.
Blood sugar isn't affected by the drug.
The drug has an effect on blood sugar.

I'd steer clear of ibuprofen with your kidneys.
With your kidneys, ibuprofen is best avoided.
With your kidneys, ibuprofen is fine.

The kidneys are not affected.
No kidney involvement.
The kidneys are affected.

Your liver tests are fine.
No abnormality in the liver tests.
Your liver tests are abnormal.

Ethambutol can harm the eyes; isoniazid can harm the nerves.
Isoniazid may damage nerves, ethambutol the eyes.
Isoniazid can harm the eyes; ethambutol can harm the nerves.

Kidney function is normal; liver function is deranged.
Liver tests are deranged but kidney tests are normal.
Liver function is normal; kidney function is deranged.

The donor is CMV positive, the recipient CMV negative.
CMV: recipient negative, donor positive.
CMV: donor negative, recipient positive.

Amlodipine causes ankle swelling, ramipril causes cough.
Ramipril may give a cough and amlodipine swollen ankles.
Ramipril causes ankle swelling, amlodipine causes cough.

The left kidney is small, the right one is normal.
Normal right kidney; small left kidney.
Small right kidney; normal left kidney.

The mother has asthma, the father has eczema.
Father: eczema. Mother: asthma.
Father: asthma. Mother: eczema.

Warfarin is stopped; aspirin is continued.
Carry on with aspirin, but stop warfarin.
Carry on with warfarin, but stop aspirin.

Metformin is taken with meals, gliclazide before breakfast.
Take gliclazide before breakfast and metformin with meals.
Take metformin before breakfast and gliclazide with meals.

Salbutamol is the reliever, beclometasone the preventer.
Beclometasone prevents attacks, salbutamol relieves them.
Salbutamol is the preventer, beclometasone the reliever.

Hepatitis B is positive, hepatitis C negative, HIV negative.
HIV and hepatitis C negative; hepatitis B positive.
HIV and hepatitis B negative; hepatitis C positive.

Gabapentin must be tapered; it mustn't be stopped suddenly.
Come off gabapentin bit by bit, never all at once.
You can stop gabapentin suddenly.

The patient was advised against flying.
He was told not to fly.
The patient was told that he could fly.

Your results rule out a heart attack.
You haven't had a heart attack.
Your results show a heart attack.

No contraindication to thrombolysis was found.
Thrombolysis is possible; nothing speaks against it.
Thrombolysis is contraindicated.

Sun exposure is best avoided while on isotretinoin.
On isotretinoin you should keep out of strong sunlight.
Sun exposure is no problem while on isotretinoin.

He's off oxygen now.
He no longer needs oxygen.
He's still on oxygen.

The pacemaker rules out an MRI.
Because of her pacemaker she can't have an MRI.
Her pacemaker is no obstacle to an MRI.

Symptoms did not return after the course.
After the course she was free of symptoms.
Symptoms returned after the course.

Cranberry juice hasn't been shown to prevent cystitis.
There is no proof that cranberry juice prevents cystitis.
Cranberry juice has been shown to prevent cystitis.

The baby isn't at risk from the X-ray.
The X-ray poses no risk to the baby.
The X-ray poses a risk to the baby.

Her asthma has never needed hospital treatment.
She has never been in hospital with asthma.
She has been in hospital with asthma.

Lidocaine is not to be used in patients with heart block.
Heart block is a contraindication to lidocaine.
Lidocaine can be used in patients with heart block.

There were no complications.
The course was uncomplicated.
There were complications.

The mole does not look suspicious.
No suspicious features in the mole.
The mole looks suspicious.

Thyroid function tests came back normal.
The thyroid tests showed nothing abnormal.
Thyroid function tests came back abnormal.

She cannot have HRT because of her breast cancer.
Breast cancer rules out HRT for her.
She can have HRT in spite of her breast cancer.

Codeine is not recommended during breastfeeding.
Nursing mothers should not take codeine.
Codeine is recommended during breastfeeding.

He was not vaccinated against tetanus.
He has had no tetanus jab.
He was vaccinated against tetanus.

With a peanut allergy, this ointment must not be used.
This ointment is unsuitable for people allergic to peanuts.
With a peanut allergy, this ointment may be used.

A cough alone is not a reason to stop ramipril.
Ramipril need not be stopped for cough alone.
A cough alone is a reason to stop ramipril.

The swab was clear.
Nothing grew from the swab.
The swab grew staphylococci.

Physiotherapy hasn't helped.
There was no benefit from physio.
Physiotherapy has helped.

There is no evidence of liver damage and kidney damage.
Neither the liver nor the kidneys are damaged.
There is evidence of liver damage and kidney damage.

No history of asthma and eczema.
She never had asthma or eczema.
History of asthma and eczema.

She has eczema, no history of asthma and is well.
Eczema, but no asthma.
Asthma, but no eczema.
"""
# Names of one thing in each line
NAMES = """
puking = vomiting
feeling queasy = nausea
mumps = parotitis epidemica = epidemic parotitis
slapped cheek = fifth disease = erythema infectiosum = parvovirus B19 infection
roseola = sixth disease = exanthema subitum
rabies = hydrophobia
golfer's elbow = medial epicondylitis
housemaid's knee = prepatellar bursitis
jumper's knee = patellar tendinopathy = patellar tendinitis
shin splints = medial tibial stress syndrome
trigger finger = stenosing tenosynovitis
dupuytren's contracture = dupuytren's disease = palmar fibromatosis
flat feet = pes planus
bow legs = genu varum
hammer toe = claw toe
ingrown toenail = onychocryptosis = ingrowing toenail
hunchback = kyphosis
broken wrist = wrist fracture = fractured wrist
broken ankle = ankle fracture
broken arm = arm fracture = fractured arm
broken leg = leg fracture = fractured leg
broken collarbone = clavicle fracture = fractured clavicle
broken jaw = mandibular fracture = jaw fracture
skull fracture = fractured skull = cranial fracture
sprained ankle = ankle sprain
osteitis deformans = paget disease of bone
bechterew's disease = ankylosing spondylitis
grand mal = tonic-clonic seizure = generalised tonic-clonic seizure
sick headache = migraine
numb = numbness
slurred speech = dysarthria
weakness on one side = hemiparesis = one-sided weakness
night terrors = sleep terrors = pavor nocturnus
PVC = ventricular extrasystole = ventricular ectopic = premature ventricular contraction
leaky mitral valve = mitral regurgitation = mitral insufficiency
narrowed aortic valve = aortic stenosis
PAD = peripheral arterial disease = PVD = peripheral vascular disease
intermittent claudication = claudication
HOCM = hypertrophic cardiomyopathy = hypertrophic obstructive cardiomyopathy
varicose veins = varices of the leg
angiogram = angiography
vasovagal syncope = simple faint = vasovagal attack
POTS = postural orthostatic tachycardia syndrome = postural tachycardia syndrome
black lung = coal worker's pneumoconiosis
phlegm = sputum
coughing up phlegm = productive cough = chesty cough
fast breathing = tachypnoea = rapid breathing
farmer's lung = hypersensitivity pneumonitis = extrinsic allergic alveolitis
bronchiolitis = infection of the bronchioles
loss of smell = anosmia
hay fever = allergic rhinitis = pollen allergy
perforated eardrum = tympanic perforation = burst eardrum = ruptured eardrum
deviated septum = deviated nasal septum
floaters = vitreous opacities
eyelid inflammation = blepharitis
drooping eyelid = ptosis = blepharoptosis
bulging eyes = exophthalmos = proptosis
cornea infection = keratitis
IOP = intraocular pressure = eye pressure
black eye = periorbital haematoma
crohn's = crohn's disease = regional enteritis
celiac disease = coeliac disease = sprue
diarrhoea = the runs = loose stools
gallbladder attack = biliary colic
bile duct stones = choledocholithiasis
bile duct infection = cholangitis = ascending cholangitis
PBC = primary biliary cholangitis = primary biliary cirrhosis
food pipe = oesophagus = gullet
piles operation = haemorrhoidectomy
ileus = paralytic ileus
salmonella = salmonellosis
camera test of the bowel = colonoscopy
barium swallow = oesophagogram
lap chole = laparoscopic cholecystectomy
stoma = ostomy
back passage = rectum
birth canal = vagina
tailbone = coccyx
spine = backbone = vertebral column = spinal column
heel bone = calcaneus
cheekbone = zygoma
skull = cranium
white of the eye = sclera
high white cell count = leukocytosis = leucocytosis
too many red cells = polycythaemia = erythrocytosis
bleeding tendency = bleeding disorder = coagulopathy = clotting disorder
multiple myeloma = myeloma = plasma cell myeloma
hodgkin's = hodgkin lymphoma
haemochromatosis = iron overload disease
high phosphate = hyperphosphataemia
high magnesium = hypermagnesaemia
high triglycerides = hypertriglyceridaemia
overactive parathyroid = hyperparathyroidism
underactive parathyroid = hypoparathyroidism
acromegaly = growth hormone excess
excessive thirst = polydipsia = increased thirst
overeating = hyperphagia
night sweats = nocturnal sweating
leaking urine = urinary incontinence
stress incontinence = leaking urine on coughing
waterworks = urinary tract
undescended testicle = cryptorchidism = undescended testis
tight foreskin = phimosis
twisted testicle = testicular torsion
hydrocele = fluid around the testicle
vasectomy = male sterilisation
absent periods = amenorrhoea
bleeding between periods = intermenstrual bleeding
painful sex = dyspareunia = pain during intercourse
morning sickness = nausea and vomiting of pregnancy
waters breaking = rupture of membranes
baby blues = postpartum blues
the pill = oral contraceptive
tubes tied = tubal ligation = female sterilisation
nappy rash = diaper rash = napkin dermatitis
teething = tooth eruption
genital warts = condylomata acuminata = anogenital warts
strawberry mark = infantile haemangioma
liver spots = lentigines = age spots
rodent ulcer = basal cell carcinoma = BCC
thick skin = hyperkeratosis
chapped lips = cheilitis
mouth ulcer = aphthous ulcer = canker sore
toothache = dental pain = odontalgia
dry socket = alveolar osteitis
wisdom tooth = third molar
chlamydia = chlamydia trachomatis infection
glandular fever virus = epstein-barr virus = EBV
swine flu = H1N1 influenza
elephantiasis = lymphatic filariasis
cat scratch fever = cat scratch disease
weil's disease = leptospirosis
hydatid disease = echinococcosis
stage fright = performance anxiety
talking therapy = psychotherapy
CBT = cognitive behavioural therapy = cognitive behavioral therapy
self-harm = self-injury = deliberate self-harm
fear of open spaces = agoraphobia
fear of enclosed spaces = claustrophobia
shock = circulatory failure
burns = thermal injuries
concussion = mild traumatic brain injury
stitches = sutures
keyhole surgery = laparoscopic surgery = minimally invasive surgery = laparoscopy
local anaesthetic = local anaesthesia
blood transfusion = transfusion
CT = computed tomography = CT scan
MRI = magnetic resonance imaging = MRI scan
PET = positron emission tomography = PET scan
DEXA = bone density scan = bone densitometry
TFT = thyroid function tests
ABG = arterial blood gas
BNP = brain natriuretic peptide = natriuretic peptide
brain wave test = EEG = electroencephalogram
EMG = electromyography
mammogram = mammography = breast x-ray
OGTT = oral glucose tolerance test
chemo = chemotherapy
physio = physiotherapy
hip replacement = THR = total hip replacement = hip arthroplasty
spinal fusion = spondylodesis
boob job = breast augmentation
nose operation = rhinoplasty
lumpectomy = breast-conserving surgery
removal of the bladder = cystectomy
removal of the lung = pneumonectomy
removal of a lobe = lobectomy
circumcision = removal of the foreskin
PEG = percutaneous endoscopic gastrostomy
chest drain = chest tube = thoracostomy tube
breathing machine = ventilator
ICU = intensive care unit = ITU = intensive care
heart doctor = cardiologist
skin doctor = dermatologist
kidney doctor = nephrologist
cancer doctor = oncologist
nerve doctor = neurologist
blood doctor = haematologist
Mobic = meloxicam
Arcoxia = etoricoxib
Vicodin = hydrocodone
MST = morphine = Oramorph = MS Contin
Ventolin = salbutamol = albuterol = ProAir = Proventil
Symbicort = budesonide-formoterol
Coversyl = perindopril
Entresto = sacubitril-valsartan = sacubitril/valsartan
Adalat = nifedipine = Procardia
Inderal = propranolol
Coreg = carvedilol
Lanoxin = digoxin
Amaryl = glimepiride
Invokana = canagliflozin
PTU = propylthiouracil
Senokot = senna
Stemetil = prochlorperazine = Compazine
Levaquin = levofloxacin
Biaxin = clarithromycin = Klaricid
Bactrim = co-trimoxazole = Septrin = trimethoprim-sulfamethoxazole = TMP-SMX
Zyvox = linezolid
Valtrex = valaciclovir = valacyclovir
Paxlovid = nirmatrelvir-ritonavir = nirmatrelvir/ritonavir
Vermox = mebendazole
Stromectol = ivermectin
Cymbalta = duloxetine
Strattera = atomoxetine
Adderall = amphetamine
Maxalt = rizatriptan
Namenda = memantine = Ebixa
Actonel = risedronate
Stelara = ustekinumab
CellCept = mycophenolate = mycophenolate mofetil
Prograf = tacrolimus
Neoral = ciclosporin = cyclosporine = cyclosporin
Herceptin = trastuzumab
Keytruda = pembrolizumab
Opdivo = nivolumab
Avastin = bevacizumab
Nolvadex = tamoxifen
Femara = letrozole
Zoladex = goserelin
Detrol = tolterodine
Sudafed = pseudoephedrine
cefalotin = cephalothin
indometacin = indomethacin = Indocin
levomepromazine = methotrimeprazine
tetracaine = amethocaine
vitamin B1 = thiamine
folic acid = folate = vitamin B9
clot buster = thrombolytic = thrombolysis
TCA = tricyclic antidepressant = tricyclic
ICS = inhaled corticosteroid = steroid inhaler
antibiotic = antibacterial
antacid = indigestion remedy
antidiarrhoeal = anti-diarrhoea medicine
chest tightness = tight chest = tightness in the chest
stiff neck = neck stiffness = stiffness of the neck
runny nose = rhinorrhoea
sore throat = pharyngitis
hoarse voice = hoarseness
red eyes = redness of the eyes = conjunctival injection
sticky eye = eye discharge = discharge from the eye
double vision = diplopia
blurred vision = blurry vision
tunnel vision = loss of peripheral vision
eye test = sight test = eye examination
clouding of the lens = cataract
detached retina = retinal detachment
retina damage = retinopathy = damage to the retina
swollen optic disc = papilloedema = optic disc swelling
crossed eyes = strabismus
ear drops = otic drops
ear discharge = otorrhoea = discharge from the ear
bleeding from the ear = otorrhagia
burst appendix = perforated appendix = ruptured appendix
stomach cramps = abdominal cramps = tummy cramps
trapped nerve = nerve compression = pinched nerve = nerve entrapment
slipped disc = herniated disc
curved spine = scoliosis
brittle bones = osteoporosis
bone infection = osteomyelitis
joint infection = septic arthritis
joint fluid = synovial fluid
fluid on the knee = knee effusion
water on the knee = knee effusion
torn cartilage = meniscal tear = meniscus tear
torn ligament = ligament tear = ligament rupture
ACL tear = anterior cruciate ligament tear = cruciate ligament rupture
achilles tendon rupture = ruptured achilles tendon = torn achilles tendon
rotator cuff tear = torn rotator cuff
bunion = hallux valgus
gout attack = gout = flare of gout
stroke = brain attack
bleed on the brain = intracranial haemorrhage
brain tumour = intracranial tumour
nerve pain = neuropathic pain = neuralgia
trigeminal neuralgia = tic douloureux
facial weakness = facial droop = drooping face
twitching = muscle twitching = fasciculation
spasticity = stiff muscles
narcolepsy = sleep attacks
memory problems = memory impairment = forgetfulness
panic attack = panic disorder
binge eating = binge-eating disorder
hearing voices = auditory hallucination
paranoia = paranoid thoughts = persecutory delusions
drug misuse = substance misuse = substance abuse = drug abuse
racing heart = tachycardia
leg cramps = cramps in the legs = nocturnal leg cramps
heart valve replacement = valve replacement = artificial heart valve
blocked artery = arterial occlusion = clogged artery
narrowed arteries = arterial stenosis = narrowing of the arteries
hardening of the arteries = atherosclerosis
swollen veins = varicose veins
poor circulation = impaired circulation
heart check-up = cardiac assessment
water on the lungs = pulmonary oedema
fluid around the heart = pericardial effusion
enlarged heart = cardiomegaly
heart muscle inflammation = myocarditis
weak heart = heart failure = pump failure
clot in the leg = DVT
clot in the lung = PE
lung scarring = pulmonary fibrosis
wheezing = wheeze
coughing fits = paroxysms of cough
hyperventilation = overbreathing
lung collapse = atelectasis
lung abscess = abscess of the lung
pus in the chest = empyema
oxygen therapy = supplemental oxygen
nebuliser = nebulizer
puffer = inhaler
nose spray = nasal spray
nose drops = nasal drops
mouthwash = oral rinse = mouth rinse
lozenge = throat sweet = pastille
sunscreen = sun cream = sunblock
moisturiser = emollient = moisturizer
antiseptic = disinfectant
bladder stones = bladder stone = vesical calculi
prostate removal = prostatectomy
nephrotic syndrome = nephrosis
cloudy urine = turbid urine
dark urine = dark-coloured urine
urge to urinate = urinary urgency
slow urine stream = weak stream = poor urinary flow
vaginal thrush = vulvovaginal candidiasis
period pains = dysmenorrhoea
ovarian cyst = cyst on the ovary
breast lump = lump in the breast
breast pain = mastalgia
water birth = birth in water
overdue baby = post-term pregnancy
premature baby = preterm infant = preemie
newborn jaundice = neonatal jaundice
low birth weight = small birth weight
breech = breech presentation
baby's heartbeat = fetal heart rate
antenatal = prenatal
postnatal = postpartum
epidural = epidural analgesia
gas and air = Entonox
womb infection = endometritis
pelvic floor exercises = Kegel exercises
colic = infantile colic
late speech = speech delay
chickenpox = varicella
scarlet fever = scarlatina
impetigo = school sores
headlice = head lice
nits = head lice
cold sore = herpes labialis
warts = verruca
plantar wart = verruca
athletes foot = athlete's foot
ringworm = dermatophytosis
hives = nettle rash
skin rash = exanthem
peeling skin = desquamation = skin peeling
cracked skin = fissured skin = skin fissures
skin infection = infected skin
skin cancer = skin malignancy
sun damage = actinic damage
excessive hair = hirsutism
excessive sweating = hyperhidrosis
nail infection = paronychia = infection around the nail
fungal nail = onychomycosis
hair follicle infection = folliculitis
rosacea = acne rosacea
contact allergy = contact dermatitis = contact eczema
chilblains = pernio
frostbite = cold injury
burn = scald
insect bite = mosquito bite
tick bite = bite of a tick
snakebite = snake bite
food allergy = allergy to food
peanut allergy = nut allergy = allergy to peanuts
lactose intolerance = milk sugar intolerance
gluten intolerance = coeliac disease
anaphylaxis = anaphylactic shock
stomach bug = gastroenteritis
stomach acid = gastric acid
acid reflux = gastro-oesophageal reflux
trapped wind = flatulence
bloated = bloating
belly pain = abdominal pain
upper tummy pain = epigastric pain = upper abdominal pain
lower tummy pain = lower abdominal pain
blood in the stool = bloody stools
pale stools = clay-coloured stools
fatty stools = steatorrhoea
liver failure = hepatic failure
liver scarring = cirrhosis
liver inflammation = hepatitis
liver cancer = hepatocellular carcinoma
yellow skin = jaundice
gallbladder removal = cholecystectomy
pancreas inflammation = pancreatitis
spleen removal = splenectomy
burst ulcer = perforated ulcer
bowel blockage = intestinal obstruction
twisted bowel = volvulus
bowel removal = colectomy
colostomy bag = colostomy
umbilical hernia = belly button hernia
groin hernia = inguinal hernia
anal itching = pruritus ani = itchy bottom
anal fissure = tear in the anus
haemorrhoids = piles
sugar in the urine = glycosuria
ketones in the urine = ketonuria
high potassium = hyperkalaemia
iron tablets = iron supplement
calcium tablets = calcium supplement
blood sugar test = blood glucose test
insulin pen = insulin injector
insulin resistance = resistance to insulin
pituitary tumour = pituitary adenoma
thyroid removal = thyroidectomy
thyroid lump = thyroid nodule
steroid tablets = oral corticosteroid = oral steroids
transplant rejection = graft rejection
blood clotting = coagulation = clotting
blood group = blood type
nosebleeds = epistaxis
leukaemia = blood cancer
lymphoma = lymph gland cancer
cancer drug treatment = chemotherapy
palliative care = end-of-life care = hospice care
mouth sores = mucositis = oral mucositis
X-ray treatment = radiotherapy
keyhole = laparoscopic
stitches out = suture removal = removal of stitches
spinal block = spinal anaesthesia
blood taking = venepuncture = blood draw = phlebotomy
urine sample = urine specimen
sputum sample = sputum specimen
scan of the heart = echocardiogram
waist size = waist circumference
weight gain = putting on weight
weight loss = losing weight
tiredness = fatigue
malaise = feeling unwell = feeling generally unwell
loss of appetite = anorexia
night sweats = sweating at night
hot flush = hot flash
dry mouth = xerostomia
bad taste = dysgeusia = taste disturbance = metallic taste
tooth abscess = dental abscess = abscessed tooth
root canal = root canal treatment = endodontic treatment
gum infection = gingivitis
jaw joint pain = temporomandibular joint disorder = TMJ disorder
drug interaction = interaction between medicines
withdrawal symptoms = discontinuation symptoms = withdrawal syndrome
generic medicine = generic drug
dummy treatment = placebo
hearing aid = hearing device
cold compress = cold pack = ice pack = cooling pack
cold hands = cold fingers = cold feet
cold sweat = clammy sweat
cold agglutinin
st elevation = st-segment elevation = elevation of the st segment
faint murmur = soft murmur
hospital discharge = discharge from hospital = discharged from hospital
sleep study = polysomnography = polysomnogram
bone scan = bone scintigraphy = skeletal scintigraphy
brain scan = scan of the brain = scan of the head = head scan
stool softener = stool-softening medicine
chest physiotherapy = respiratory physiotherapy
transplant = organ transplant
contact lens = contact lenses
insulin pump = continuous subcutaneous insulin infusion
h2 blocker = h2-receptor antagonist = histamine-2 receptor antagonist = h2 antagonist
anticholinergic = antimuscarinic = muscarinic antagonist
alpha blocker = alpha-blocker = alpha-adrenergic blocker = alpha-adrenoceptor blocker
altitude sickness = mountain sickness = acute mountain sickness
alcohol poisoning = alcohol intoxication = acute alcohol intoxication
choking = choke
foreign body = foreign object
near drowning = near-drowning
egg allergy = allergy to eggs = allergy to egg
burning sensation = burning feeling
weight-reducing diet = slimming diet = weight loss diet
vitamin c deficiency = scurvy
vitamin b1 deficiency = beriberi = thiamine deficiency
niacin deficiency = pellagra
hypervitaminosis = vitamin overdose
protein deficiency = kwashiorkor
hyperbilirubinemia = raised bilirubin = high bilirubin = elevated bilirubin
eosinophilia = raised eosinophils = high eosinophils = high eosinophil count
lymphopenia = low lymphocytes = low lymphocyte count = lymphocytopenia
pancytopenia = low counts of all blood cells
hemolysis = breakdown of red cells = red cell breakdown = haemolysis
acidosis = acid blood
hypoproteinemia = low protein
hyperprolactinemia = high prolactin = raised prolactin
hypogonadism = low testosterone = testosterone deficiency
short stature = small stature = short height
growth hormone deficiency = lack of growth hormone
carcinoid = carcinoid tumour
glioma = glial tumour
acoustic neuroma = vestibular schwannoma
achalasia = achalasia of the oesophagus
gastroparesis = slow stomach emptying = delayed gastric emptying
diverticulosis = diverticular disease
anal abscess = perianal abscess
pilonidal sinus = pilonidal cyst = pilonidal disease
hepatitis e = hepatitis e virus
hepatitis d = hepatitis delta
alcoholic liver disease = alcohol-related liver disease = alcohol-associated liver disease
portal vein thrombosis = clot in the portal vein
bronchiectasis = widened airways
pulmonary nodule = lung nodule = spot on the lung
laryngospasm = spasm of the vocal cords
vocal cord palsy = vocal cord paralysis = paralysis of the vocal cord
mastoiditis = infection of the mastoid
labyrinthitis = vestibular neuritis = inner ear infection = inner ear inflammation
sudden deafness = sudden hearing loss = sudden sensorineural hearing loss
presbycusis = age-related hearing loss
pterygium = surfer's eye
corneal abrasion = scratched cornea = scratch on the cornea
macular hole
retinal vein occlusion = blocked retinal vein = clot in the retinal vein
optic neuritis = inflammation of the optic nerve
nystagmus = dancing eyes
lipoma = fatty lump
sebaceous cyst = epidermoid cyst
molluscum contagiosum = molluscum
actinic keratosis = sun spots
pemphigoid = bullous pemphigoid
hidradenitis suppurativa = acne inversa
intertrigo = skin fold rash
osgood-schlatter disease
slipped upper femoral epiphysis = slipped capital femoral epiphysis
stress fracture = fatigue fracture = march fracture
spondylolisthesis = slipped vertebra
cervical spondylosis = wear of the neck
spinal stenosis = narrowing of the spinal canal
radiculopathy = nerve root compression = nerve root pain
carpal tunnel syndrome = trapped nerve in the wrist = median nerve compression
ulnar nerve compression = cubital tunnel syndrome
complex regional pain syndrome = reflex sympathetic dystrophy = algodystrophy
baker's cyst = popliteal cyst
bone spur = osteophyte
labor induction = induction of labour = induction of labor = induced labour
episiotomy = perineal cut
perineal tear = vaginal tear
placenta previa = low-lying placenta
stillbirth = fetal death
twin pregnancy = twins
ectopic pregnancy = extrauterine pregnancy
molar pregnancy = hydatidiform mole
infertility = unable to conceive
polycystic ovary syndrome = polycystic ovaries
vulvodynia = vulval pain
postmenopausal bleeding = bleeding after the menopause
contraceptive implant = birth control implant
contraceptive injection = depot injection for contraception
condom = condoms
erectile dysfunction = trouble getting an erection = unable to get an erection
peyronie disease = peyronie's disease = curved penis
prostate biopsy
lithotripsy = shock wave treatment = stone crushing
"""


@pytest.mark.parametrize("lines", STATEMENTS.strip().split("\n\n"))
def test_a_statement_in_other_words_raises_no_alarm_and_another_one_does(lines, lexicon):
    statement, same, other = lines.splitlines()
    assert not errors(statement, same, lexicon)
    assert errors(statement, other, lexicon)


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_all_names_of_a_thing_are_one_term(line, lexicon):
    terms = [lexicon.terms(f"He has {name}.") for name in line.split(" = ")]
    assert all(len(found) == 1 and found == terms[0] for found in terms)


def errors(reference, answer, lexicon):
    return [*(dose_errors(reference, answer) or ()), *negation_errors(reference, answer, lexicon)]
