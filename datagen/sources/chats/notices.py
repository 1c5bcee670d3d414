"""What WhatsApp writes in a chat by itself, in the languages of its exports.

The texts are those that the program's Android and iOS versions write (and older ones wrote), collected from
published exports. All tables hold case-folded texts without a full stop at the end.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["media", "deleted", "system"]

# Android, exported without media.
_ANDROID = """media omitted | medien ausgeschlossen | medien weggelassen | multimedia omitido | archivo omitido |
médias omis | fichier omis | media omessi | media omesso | mídia oculta | mídia omitida | arquivo de mídia oculto |
ficheiro não revelado | arquivo não revelado | media weggelaten | без медиафайлов | файл пропущен |
medya dahil edilmedi | medya atlanmış | تم استبعاد الوسائط | המדיה לא נכללה | המדיה הוסרה | מדיה הושמטה |
המדיה הושמטה | मीडिया के बिना | मीडिया छोड़ा गया | मीडिया हटाया गया | pominięto multimedia | média vynechány |
media tidak disertakan | メディアなし | メディアは含まれていません | 省略多媒體檔案 | 省略多媒体文件 | 媒体省略 |
미디어 파일을 생략한 대화내용 | 미디어 파일 제외됨 | media utelämnat | video note omitted |
view once message omitted | view once voice message omitted"""

# iOS, exported without media.
_IOS = """image omitted | video omitted | audio omitted | gif omitted | sticker omitted | document omitted |
contact card omitted | video note omitted |
bild weggelassen | video weggelassen | audio weggelassen | gif weggelassen | sticker weggelassen |
dokument weggelassen | kontaktkarte ausgelassen | videonachricht weggelassen |
imagen omitida | video omitido | audio omitido | gif omitido | sticker omitido | documento omitido |
tarjeta de contacto omitida |
image absente | vidéo absente | audio omis | gif retiré | sticker omis | document manquant |
fiche contact manquante |
immagine omessa | video omesso | audio omesso | gif esclusa | sticker non incluso | documento omesso |
scheda contatto omessa |
imagem ocultada | vídeo omitido | áudio ocultado | figurinha omitida | imagem não revelada | vídeo não revelado |
gif não revelada | sticker não revelado | documento não revelado | contacto não revelado |
ficheiro de áudio não revelado | cartão do contato omitido |
لم يتم إدراج الصورة | لم يتم إدراج الفيديوهات | لم يتم إدراج المقاطع الصوتية | لم يتم إدراج صورة gif |
لم يتم إدراج المستند | لم يتم إدراج بطاقة جهة اتصال | تم حذف الملصقات |
התמונה הושמטה | סרטון הווידאו הושמט | השמע הושמט | gif הושמט | סטיקר הושמט | כרטיס איש קשר הושמט |
המסמך הושמט |
görüntü dahil edilmedi | video dahil edilmedi | ses dahil edilmedi | gif dahil edilmedi |
çıkartma dahil edilmedi | belge dahil edilmedi |
изображение отсутствует | видео отсутствует | аудио отсутствует | gif отсутствует | стикер не добавлен |
документ отсутствует | карточка контакта отсутствует"""

_DELETED = """this message was deleted | you deleted this message | message deleted |
diese nachricht wurde gelöscht | du hast diese nachricht gelöscht |
se eliminó este mensaje | eliminaste este mensaje | este mensaje fue eliminado |
ce message a été supprimé | vous avez supprimé ce message |
questo messaggio è stato eliminato | hai eliminato questo messaggio |
esta mensagem foi apagada | apagou esta mensagem | você apagou esta mensagem | mensagem apagada |
esta mensagem foi eliminada | eliminou esta mensagem |
تم حذف هذه الرسالة | لقد حذفت هذه الرسالة | لقد حذَفت هذه الرسالة | حذفت هذه الرسالة |
הודעה זו נמחקה | מחקת הודעה זו | מחקת את ההודעה הזו |
bu mesaj silindi | bu mesajı sildiniz |
данное сообщение удалено | вы удалили данное сообщение | вы удалили это сообщение |
यह संदेश हटाया गया था | यह मैसेज हटा दिया गया | यह मैसेज हटाया गया | आपने यह मैसेज हटा दिया |
dit bericht is verwijderd | u hebt dit bericht verwijderd | je hebt dit bericht verwijderd"""

# What stands after a name although the person wrote nothing.
_SYSTEM = """missed voice call | missed video call | missed group voice call | missed group video call |
verpasster sprachanruf | verpasster videoanruf | verpasster anruf |
llamada perdida | videollamada perdida | appel vocal manqué | appel vidéo manqué |
chiamata vocale persa | videochiamata persa | ligação de voz perdida | chamada de voz perdida |
chamada de vídeo perdida | مكالمة صوتية فائتة | مكالمة فيديو فائتة | שיחה קולית שלא נענתה |
שיחת וידאו שלא נענתה | cevapsız sesli arama | cevapsız görüntülü arama | пропущенный аудиозвонок |
пропущенный видеозвонок | मिस्ड वॉइस कॉल | मिस्ड वीडियो कॉल |
live location shared | live-standort wird geteilt |
waiting for this message | waiting for this message. this may take a while | in attesa del messaggio"""

_EDITED = """this message was edited | diese nachricht wurde bearbeitet | se editó este mensaje |
ce message a été modifié | questo messaggio è stato modificato | messaggio modificato | mensagem editada |
esta mensagem foi editada | تم تعديل هذه الرسالة | تم تعديل الرسالة | ההודעה נערכה | הודעה זו נערכה |
bu mesaj düzenlendi | сообщение изменено | данное сообщение изменено | यह मैसेज एडिट किया गया |
यह संदेश संपादित किया गया | dit bericht is bewerkt"""

_ATTACHED = """file attached | datei angehängt | archivo adjunto | fichier joint | file allegato | arquivo anexado |
ficheiro anexado | bestand bijgevoegd | الملف مرفق | ملف مرفق | קובץ מצורף | dosya ekli | dosya ekte |
файл добавлен | फ़ाइल संलग्न है | फ़ाइल अटैच की गई | soubor byl přiložen | 附件檔案 | 文件附件 | 添付ファイル | 파일 첨부됨"""

# The first words of what stands for itself, in case it has a colon that looks like the end of a name.
_SELF = """messages and calls are end-to-end | messages to this chat and calls | messages to this group are |
nachrichten und anrufe sind ende-zu-ende | nachrichten in diesem chat sowie anrufe |
los mensajes y las llamadas están | los mensajes y llamadas en este chat | les messages et les appels sont |
les messages envoyés dans ce | i messaggi e le chiamate sono | as mensagens e ligações | as mensagens e chamadas |
as mensagens e as ligações | الرسائل والمكالمات | הודעות ושיחות | ההודעות והשיחות | mesajlar ve aramalar |
сообщения и звонки | संदेश और कॉल | मैसेज और कॉल"""


def _set(table: str) -> frozenset[str]:
    return frozenset(" ".join(text.split()).casefold() for text in table.split("|"))


MEDIA = frozenset({f"<{text}>" for text in _set(_ANDROID)}) | _set(_IOS) | {"null"}
"""Whole messages that stand for media; Android writes ``null`` for what could be seen once."""
DELETED = _set(_DELETED)
SYSTEM = _set(_SYSTEM)
SELF = tuple(sorted(_set(_SELF)))
EDITED = _set(_EDITED)
ATTACHED = _set(_ATTACHED)

_LONGEST = 600  # characters of the longest notice, with the name of a file in it
_FILE = re.compile(r"[^\n]{1,250}\.\w{1,6}")
_ATTACHMENT = re.compile(r"([^\n]{1,250}\.\w{1,6}) ?[(<]([^()<>\n]{1,40})[)>]")
_IN_BRACKETS = re.compile(r"<([^<>:\n]{1,40}?) ?: ?[^<>\n]{1,250}>")  # iOS, exported with media: <attached: 1.jpg>
_PLACE = re.compile(r"[^\W\d_][^:\n]{0,20}: https?://(?:maps\.google\.com|maps\.app\.goo\.gl|foursquare\.com)/\S*")
_ADMIN = re.compile(r"this message was deleted by admin .{1,100}", re.IGNORECASE)


def bare(text: str) -> str:
    """A text as the tables have it."""
    return " ".join(text.replace("\u200e", "").split()).rstrip(".。।").casefold()


def kind_of(text: str) -> Kind | None:
    """What a whole message is that no person wrote; None for one that a person may have written."""
    if len(text) > _LONGEST:
        return None
    found = bare(text)
    if not found or found in MEDIA or _attached(found) or ("http" in found and _PLACE.fullmatch(found)):
        return "media"
    if found in DELETED or _ADMIN.fullmatch(found):
        return "deleted"
    return "system" if found in SYSTEM or found.startswith(SELF) else None


def _attached(found: str) -> bool:
    if not found.endswith((")", ">")):
        return False
    match = _ATTACHMENT.fullmatch(found)
    return bool(match and match[2] in ATTACHED) or bool(_IN_BRACKETS.fullmatch(found) and found.endswith(_SUFFIXES))


_SUFFIXES = tuple(
    f".{suffix}>"
    for suffix in "jpg jpeg png webp gif heic mp4 mov 3gp opus m4a mp3 aac ogg wav pdf vcf doc docx xls xlsx ppt "
    "pptx txt zip csv apk".split()
)


def is_file(text: str) -> bool:
    """Is a line the name of a file, as Android repeats it below what stands for a document?"""
    return _FILE.fullmatch(text) is not None and not re.search(r"://|\. ", text)


def is_edited(text: str) -> bool:
    """Is it the mark of an edited message, in its angle brackets?"""
    return text.startswith("<") and text.endswith(">") and bare(text[1:-1]) in EDITED
