"""The section of a model card with the commands that run the model elsewhere: transformers, vLLM, Ollama."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

# Ranks that vLLM accepts as --max-lora-rank.
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
WITHOUT_TEMPLATE = (
    "**The saved tokenizer has no chat template**, because the function that formatted the training data "
    "cannot be written as Jinja. Other programs need the prompt as that function writes it."
)
EXAMPLE = "What are the symptoms of angina?"
TRANSFORMERS = """\
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
{imports}
tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = AutoModelForCausalLM.from_pretrained("{weights}", dtype="auto")
{adapter}question = [{{"role": "user", "content": "{question}"}}]
prompt = tokenizer.apply_chat_template(
    question, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
settings = GenerationConfig.from_pretrained("{folder}", do_sample=False, max_new_tokens=512)
tokens = model.generate(**prompt, generation_config=settings)
print(tokenizer.decode(tokens[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))"""


OLLAMA = """\
ollama create medqa -f {modelfile}
ollama run medqa "What are the symptoms of angina?\""""
LLAMA_CPP = "llama-server --jinja --temp 0 --model {weights}"


def how_to_use(
    settings: Mapping[str, Any], system_message: str, has_template: bool, setting: str
) -> list[str]:
    """The section as lines.

    Args:
        settings: all settings of the training, by name.
        system_message: of the training.
        has_template: whether the saved tokenizer has the chat template.
        setting: the setting of the model's folder: OUTPUT_DIR (adapter), MERGE_TO or EXPORT_TO (GGUF).
    """
    folder = settings["EXPORT_TO"] or "exported"
    export = f"--EXPORT_TO {shlex.quote(folder)}"
    ollama = OLLAMA.format(modelfile=shlex.quote(f"{folder}/Modelfile")).split("\n")
    if setting == "EXPORT_TO":
        commands = [
            "The files have the tokenizer, the chat template and the tokens that end an answer. With Ollama:",
            *("", "```bash", *ollama, "```", ""),
            "With llama.cpp:",
            *("", "```bash", LLAMA_CPP.format(weights=shlex.quote(f"{folder}/model-F16.gguf")), "```", ""),
        ]
    else:
        commands = [
            *_python_and_vllm(settings, setting == "MERGE_TO"),
            f"With Ollama, after the training command was run again with `{export}`:",
            *("", "```bash", *ollama, "```", ""),
        ]
    return [
        "## How to use",
        "",
        "The model was trained with this system message, which the chat template writes when a conversation "
        "has none:",
        "",
        *(f"> {line}" for line in (system_message or "(no system message)").splitlines()),
        "",
        *([] if has_template else [WITHOUT_TEMPLATE, ""]),
        *commands,
    ]


def _python_and_vllm(settings: Mapping[str, Any], merged: bool) -> list[str]:
    """The commands of transformers and vLLM for an adapter, or for a merged model."""
    base = settings["MODEL_NAME"]
    folder = settings["MERGE_TO"] if merged else settings["OUTPUT_DIR"]
    base_word, folder_word = shlex.quote(base), shlex.quote(folder)
    if merged:
        imports = adapter = asked = ""
        weights, serve = folder, [f"vllm serve {folder_word}"]
    else:
        imports = "from peft import PeftModel\n"
        adapter = f'model = PeftModel.from_pretrained(model, "{folder}")\n'
        weights, asked = base, " (ask for the model `medqa`, the base has its own name)"
        rank = next((rank for rank in VLLM_RANKS if rank >= settings["LORA_RANK"]), VLLM_RANKS[-1])
        serve = [
            f"vllm serve {base_word} --enable-lora --lora-modules medqa={folder_word} \\",
            f"    --max-lora-rank {rank} --tokenizer {folder_word} --generation-config {folder_word}",
        ]
    return [
        "`generation_config.json` names all tokens that end an answer. With transformers:",
        "",
        "```python",
        *TRANSFORMERS.format(
            imports=imports, folder=folder, weights=weights, adapter=adapter, question=EXAMPLE
        ).split("\n"),
        "```",
        "",
        f"With vLLM{asked}:",
        "",
        "```bash",
        *serve,
        "```",
        "",
    ]


def with_folder(card: str, name: str) -> str:
    """A card whose commands load the model from `name`, in place of the folder that they name."""
    loaded = re.search(r'AutoTokenizer\.from_pretrained\("([^"]+)"\)', card)
    if loaded is None:
        return card
    either = f"{re.escape(loaded[1])}|{re.escape(shlex.quote(loaded[1]))}"  # in Python, and in a shell
    folder = re.compile(rf'(?<=[" =])(?:{either})(?=["\s])')
    return re.sub(r"```.*?```", lambda block: folder.sub(name, block[0]), card, flags=re.S)
