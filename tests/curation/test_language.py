from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import language
from curation.language import code_of, identify, method

PEPS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "peps"

SAMPLES = {
    "de": (
        "Der Bericht zeigt, wie viele Zeilen behalten und wie viele verworfen wurden. "
        "Wenn die Festplatte voll ist, hält der Lauf an und kann später fortgesetzt werden. "
        "Die Konfiguration steht in einer Datei, die man mit jedem Editor öffnen kann. "
    ),
    "fr": (
        "Le rapport montre combien de lignes ont été gardées et combien ont été rejetées. "
        "Si le disque est plein, le programme s'arrête et on peut le relancer plus tard. "
        "La configuration se trouve dans un fichier que vous pouvez ouvrir avec un éditeur. "
    ),
    "es": (
        "El informe muestra cuántas filas se han conservado y cuántas se han rechazado. "
        "Si el disco está lleno, el programa se detiene y puede continuar más tarde. "
        "La configuración está en un archivo que se puede abrir con cualquier editor. "
    ),
    "it": (
        "Il rapporto mostra quante righe sono state conservate e quante sono state scartate. "
        "Se il disco è pieno, il programma si ferma e può essere ripreso più tardi. "
        "La configurazione si trova in un file che si può aprire con qualsiasi editor. "
    ),
    "pt": (
        "O relatório mostra quantas linhas foram mantidas e quantas foram rejeitadas. "
        "Se o disco estiver cheio, o programa para e pode ser retomado mais tarde. "
        "A configuração está em um arquivo que você pode abrir com qualquer editor. "
    ),
    "nl": (
        "Het rapport laat zien hoeveel regels zijn behouden en hoeveel er zijn afgewezen. "
        "Als de schijf vol is, stopt het programma en kan het later worden hervat. "
        "De configuratie staat in een bestand dat je met elke editor kunt openen. "
    ),
    "sv": (
        "Rapporten visar hur många rader som har behållits och hur många som har avvisats. "
        "Om disken är full stannar programmet och kan fortsätta senare när det finns plats. "
        "Konfigurationen finns i en fil som du kan öppna med vilken redigerare som helst. "
    ),
    "da": (
        "Rapporten viser, hvor mange linjer der er beholdt, og hvor mange der er afvist. "
        "Hvis disken er fuld, stopper programmet og kan fortsætte senere, når der er plads. "
        "Konfigurationen ligger i en fil, som du kan åbne med en hvilken som helst editor, og den bliver læst af alle. "
    ),
    "fi": (
        "Raportti näyttää, kuinka monta riviä on säilytetty ja kuinka monta on hylätty. "
        "Jos levy on täynnä, ohjelma pysähtyy ja se voi jatkaa myöhemmin, kun tilaa on. "
        "Asetukset ovat tiedostossa, jonka voi avata millä tahansa editorilla, ja se on myös luettava. "
    ),
    "pl": (
        "Raport pokazuje, ile wierszy zostało zachowanych, a ile zostało odrzuconych. "
        "Jeśli dysk jest pełny, program zatrzymuje się i może być wznowiony później. "
        "Konfiguracja znajduje się w pliku, który można otworzyć w dowolnym edytorze. "
    ),
    "cs": (
        "Zpráva ukazuje, kolik řádků bylo zachováno a kolik jich bylo odmítnuto. "
        "Pokud je disk plný, program se zastaví a může být později obnoven. "
        "Konfigurace je v souboru, který lze otevřít v libovolném editoru. "
    ),
    "ro": (
        "Raportul arată câte rânduri au fost păstrate și câte au fost respinse. "
        "Dacă discul este plin, programul se oprește și poate fi reluat mai târziu. "
        "Configurația este într-un fișier pe care îl puteți deschide cu orice editor. "
    ),
    "hu": (
        "A jelentés megmutatja, hogy hány sort tartottak meg és hányat utasítottak el. "
        "Ha a lemez megtelt, a program megáll, és később folytatható, ha van hely. "
        "A beállítás egy fájlban van, amelyet bármilyen szerkesztővel meg lehet nyitni. "
    ),
    "tr": (
        "Rapor, kaç satırın tutulduğunu ve kaç satırın reddedildiğini gösterir ve bu çok önemli. "
        "Disk dolu ise program durur ve daha sonra devam etmek için bir komut yeterli olur. "
        "Yapılandırma, her düzenleyici ile açılabilen bir dosyada bulunur ve değiştirilebilir. "
    ),
    "id": (
        "Laporan ini menunjukkan berapa banyak baris yang disimpan dan yang ditolak. "
        "Jika disk penuh, program akan berhenti dan dapat dilanjutkan nanti. "
        "Konfigurasi ada dalam berkas yang dapat dibuka dengan editor apa saja. "
    ),
    "ru": (
        "Отчёт показывает, сколько строк было сохранено и сколько было отклонено. "
        "Если диск заполнен, программа останавливается и может быть продолжена позже. "
        "Настройки находятся в файле, который можно открыть в любом редакторе. "
    ),
    "uk": (
        "Звіт показує, скільки рядків було збережено і скільки було відхилено. "
        "Якщо диск заповнений, програма зупиняється і може бути продовжена пізніше. "
        "Налаштування є у файлі, який можна відкрити в будь-якому редакторі. "
    ),
    "ar": (
        "يوضح التقرير عدد الأسطر التي تم الاحتفاظ بها وعدد الأسطر التي تم رفضها. "
        "إذا كان القرص ممتلئا يتوقف البرنامج ويمكن متابعته بعد ذلك. "
    ),
    "zh": ("报告显示保留了多少行以及拒绝了多少行。 "),
    "ja": ("レポートには、保持された行と拒否された行の数が表示されます。 "),
    "ko": ("보고서는 유지된 행과 거부된 행의 수를 보여줍니다. "),
    "el": ("Η αναφορά δείχνει πόσες γραμμές κρατήθηκαν και πόσες απορρίφθηκαν. "),
    "he": ("הדוח מראה כמה שורות נשמרו וכמה נדחו. "),
    "hi": ("रिपोर्ट दिखाती है कि कितनी पंक्तियाँ रखी गईं और कितनी अस्वीकार की गईं। "),
    "th": ("รายงานแสดงจำนวนแถวที่เก็บไว้และจำนวนที่ถูกปฏิเสธ "),
    "vi": ("Báo cáo cho thấy có bao nhiêu dòng được giữ lại và bao nhiêu dòng bị từ chối. "),
    "en": (
        "The report shows how many rows were kept and how many were rejected. "
        "If the disk is full, the run stops and can be continued later. "
        "The configuration is in a file that any editor can open. "
        "A segment is a maximal row of Maps. "
    ),
}


@pytest.mark.parametrize("code", sorted(SAMPLES))
def test_a_few_sentences_are_enough(code: str) -> None:
    found, sure = identify(SAMPLES[code])
    assert found == code
    assert sure >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "Hi there",
        "```python\nfor i in range(10):\n    print(i)\n```",
        "a.b.c = d_e(f) != g::h | x->y",
        "pip install datagen --upgrade",
        "/usr/lib/de/la/que/para/con.txt --de la=que",
    ],
)
def test_what_is_too_short_or_code_is_undetermined(text: str) -> None:
    assert identify(text)[0] == "und"


@pytest.mark.parametrize(
    "text",
    [
        "Use `el.los.las` and `de.la()` with the `--para-una` option if the run is not done.",
        "The `die` function and the `des` cipher are in the same module, which also has `par` and `sur`.",
        "def run(self, shard):\n    for record in shard:\n        if record is not None:\n            yield record",
        "SELECT name FROM users WHERE id IN (SELECT user FROM orders) AND age > 3 OR name IS NOT NULL",
    ],
)
def test_technical_english_and_code_are_never_another_language(text: str) -> None:
    assert identify(text)[0] in ("en", "und")


@pytest.mark.skipif(not PEPS.is_dir(), reason="needs the shared corpus")
def test_no_piece_of_the_peps_is_taken_for_another_language() -> None:
    pieces = [
        text[i : i + 400]
        for path in sorted(PEPS.glob("*.rst"))[:6]
        for text in [path.read_text(encoding="utf-8")]
        for i in range(0, len(text), 400)
    ]
    others = [piece for piece in pieces if identify(piece)[0] not in ("en", "und")]
    assert others == []
    assert sum(identify(piece)[0] == "en" for piece in pieces) > 0.75 * len(pieces)


@given(st.text(max_size=300))
def test_any_text_gets_a_code_and_a_share(text: str) -> None:
    code, sure = identify(text)
    assert 2 <= len(code) <= 3
    assert 0 <= sure <= 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("German", "de"),
        ("deutsch", "de"),
        ("Swiss German", "de"),
        ("pt-BR", "pt"),
        ("no", "no"),
        ("Brazilian Portuguese", "pt"),
        ("Chinese (Taiwan)", "zh"),
        ("日本語", "ja"),
        ("हिन्दी", "hi"),
        ("Klingon", ""),
        ("the language of the document, no other", ""),
        ("", ""),
    ],
)
def test_languages_by_name(name: str, code: str) -> None:
    assert code_of(name) == code


SHORT = {
    "en": "We lost the keys again yesterday.",
    "de": "Gestern haben wir wieder den Schlüssel verloren.",
    "fr": "Nous avons encore perdu les clés hier soir.",
    "es": "Ayer perdimos otra vez las llaves de casa.",
    "it": "Ieri abbiamo perso di nuovo le chiavi.",
    "pt": "Ontem perdemos outra vez as chaves de casa.",
    "nl": "Gisteren zijn we weer de sleutels kwijtgeraakt.",
    "sv": "Igår tappade vi bort nycklarna igen.",
    "fi": "Eilen kadotimme avaimet taas kerran.",
    "pl": "Wczoraj znowu zgubiliśmy klucze do domu.",
    "hu": "Tegnap megint elvesztettük a kulcsokat.",
    "tr": "Dün anahtarları yine kaybettik.",
    "ru": "Вчера мы снова потеряли ключи от дома.",
    "uk": "Учора ми знову загубили ключі від дому.",
    "fa": "دیروز دوباره کلید خانه را گم کردیم.",
}


@pytest.mark.skipif(method() == "words", reason="needs py3langid")
@pytest.mark.parametrize("code", sorted(SHORT))
def test_one_short_sentence_is_enough_with_the_model(code: str) -> None:
    found, sure = identify(SHORT[code])
    assert found == code
    assert sure >= 0.5


@pytest.mark.parametrize("code", sorted(SHORT))
def test_without_the_model_a_short_sentence_is_never_taken_for_another_language(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "_model", lambda: None)
    assert identify.__wrapped__(SHORT[code])[0] in (code, "und")


@pytest.mark.parametrize(
    "text", ["Johann Sebastian Bach, Leipzig", "Museo del Prado, Madrid", "Ljubljana Kranj Maribor"]
)
def test_names_are_no_language(text: str) -> None:
    assert identify(text)[0] == "und"
