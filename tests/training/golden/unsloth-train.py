"""Written by datagen: the same training with Unsloth. Run it in this folder: python train.py"""

from unsloth import FastLanguageModel, PatchDPOTrainer  # before trl, which it changes

PatchDPOTrainer()

from datasets import load_dataset
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

LENGTH = 1024
# transformers 5 takes a share of the steps as warmup_steps, earlier versions as warmup_ratio.
WARMUP = "warmup_ratio" if "warmup_ratio" in SFTConfig.__dataclass_fields__ else "warmup_steps"


def rows(path):
    return load_dataset("json", data_files=path, split="train")


def common(**settings):
    return dict(
        logging_steps=1,
        seed=7,
        optim='adamw_torch',
        report_to="none",
        **settings,
    )


model, tokenizer = FastLanguageModel.from_pretrained(
    model_name='Qwen/Qwen2.5-0.5B-Instruct',
    max_seq_length=LENGTH,
    dtype=None,
    load_in_4bit=True,
    full_finetuning=False,
)
model = FastLanguageModel.get_peft_model(
    model,
    r=32,
    lora_alpha=64,
    lora_dropout=0.05,
    target_modules='all-linear',
    use_rslora=True,
    use_dora=False,
    bias="none",
    use_gradient_checkpointing='unsloth',
    random_state=7,
)


def to_pair(row):
    """The last turn on its own: prompt and completion, so that the loss is on the reply alone."""
    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


train = rows('../../../export/sft.train.jsonl')
train = train.map(to_pair, remove_columns=train.column_names)
valid = rows('../../../export/sft.valid.jsonl')
valid = valid.map(to_pair, remove_columns=valid.column_names)
trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=train,
    eval_dataset=valid,
    args=SFTConfig(
        **common(
            output_dir="sft",
            max_length=LENGTH,
            completion_only_loss=True,
            packing=False,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=8,
            num_train_epochs=3.0,
            max_steps=-1,
            learning_rate=0.0002,
            lr_scheduler_type='cosine',
            **{WARMUP: 0.03},
            weight_decay=0.01,
            max_grad_norm=1.0,
            neftune_noise_alpha=5.0,
            eval_strategy="steps" if valid is not None else "no",
            eval_steps=50,
            save_steps=50,
        )
    ),
)
trainer.train()
model.save_pretrained("sft")
tokenizer.save_pretrained("sft")


def to_lists(row):
    return {"chosen": [row["chosen"]], "rejected": [row["rejected"]]}


# A trainer of pairs takes the model without its adapter as reference, which would be the base. With the adapter merged
# and a new one on top, the reference is what SFT made of it.
model.save_pretrained_merged("sft-merged", tokenizer, save_method="merged_16bit")
model, tokenizer = FastLanguageModel.from_pretrained(
    model_name="sft-merged", max_seq_length=LENGTH, dtype=None, load_in_4bit=True
)
model = FastLanguageModel.get_peft_model(
    model,
    r=32,
    lora_alpha=64,
    lora_dropout=0.05,
    target_modules='all-linear',
    use_rslora=True,
    use_dora=False,
    bias="none",
    use_gradient_checkpointing='unsloth',
    random_state=7,
)
pairs = rows('../data/pairs.train.jsonl').map(to_lists, features=None)
trainer = DPOTrainer(
    model=model,
    ref_model=None,
    processing_class=tokenizer,
    train_dataset=pairs,
    args=DPOConfig(
        **common(
            output_dir="dpo",
            max_length=LENGTH,
            beta=0.2,
            loss_type='sigmoid',
            label_smoothing=0.1,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=16,
            num_train_epochs=1.0,
            max_steps=-1,
            learning_rate=5e-06,
            lr_scheduler_type='cosine',
            **{WARMUP: 0.1},
            weight_decay=0.0,
            max_grad_norm=1.0,
            save_steps=50,
        )
    ),
)
trainer.train()
model.save_pretrained("dpo")
tokenizer.save_pretrained("dpo")
