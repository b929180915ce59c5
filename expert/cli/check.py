"""`kakekomi check`: are the knowledge and the corpus in order?"""

import typer

from expert.cli.common import app


@app.command()
def check() -> None:
    """知識(rules/)を点検する。誤りがあれば1件ずつ場所を示し、終了コード3を返す。"""
    from expert import checks, corpus, knowledge

    loaded = knowledge.load()
    files = corpus.training_files()
    sentences, stories = corpus.danger_files(files)
    corpus.load([*files, *stories], loaded.scenarios, loaded.facts)
    corpus.sentences(sentences)
    advice = checks.advise(loaded)
    for remark in advice:
        print(f"{remark.severity}: {remark.where}: {remark.text}")
    rules, actions, desks = len(loaded.rules), len(loaded.actions), len(loaded.desks) + len(loaded.police_desks)
    errors = sum(remark.severity == "error" for remark in advice)
    result = f"誤りが{errors}件あります" if errors else "誤りはありません"
    print(f"点検しました: 規則{rules}、動作{actions}、窓口{desks}、助言{len(advice)}件({result})")
    if errors:
        raise typer.Exit(3)
