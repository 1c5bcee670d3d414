"""Frequent small words of the languages that :mod:`curation.language` tells apart by words.

Function words known to every speaker, chosen for being frequent and short; a word that several
languages share counts less for each (see there). Languages with a script of their own need none.
"""

from __future__ import annotations

_LISTS = {
    "en": """the of and to in is that for it as with be on by are this or from at an have not which can was if you
        has its
        when will all use used but one may more other than into only also no each their they must should does what
        how were
        been would there then any such these where who them your we our so some because about between while both being
        after before""",
    "de": """der die das und ist nicht ein eine einen einem einer den dem des von zu mit auf für sich im auch wird
        werden
        als aus bei nach oder wie noch nur kann sind sie er es wir ihr war hat haben durch über wenn aber man vom zum
        zur
        dass daß diese dieser dieses um so mehr keine kein sein seine zwischen unter""",
    "fr": """le la les des et est une un dans que qui pour sur pas du au aux par avec ce cette ces il elle ils elles
        nous
        vous je se sont ne plus ou où mais comme être avoir fait été son sa ses leur leurs tout tous sans entre aussi
        peut d'un d'une l'on c'est qu'il dont très deux si en""",
    "es": """el la los las de y en que es un una por con para se del al no lo como más su sus este esta estos estas son
        pero o si le ya ha han fue ser está están también entre sin sobre cuando muy hay todo todos desde porque donde
        cada puede qué nos hasta""",
    "it": """il lo la gli le di che e è un una per con non del della dei delle degli al alla nel nella si sono come più
        anche da dal dalla questo questa questi queste ma se ha hanno essere stato suo sua loro tra fra ogni quando può
        dove tutti tutto molto perché ci o sul sulla""",
    "pt": """o os as de e em que é um uma por com para se do da dos das no na nos nas não mais como seu sua seus este
        esta isso são mas ou foi ser está também entre sem sobre quando muito há todo todos desde porque onde cada pode
        ao à pelo pela você ele ela até já""",
    "nl": """de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij uit door naar wordt
        worden heeft hebben kan kunnen deze dit die over nog wel geen meer tot zich zij hij ze we wij was werd waren
        onder tussen tegen moet alle""",
    "sv": """och att det som en på är av för med den till inte har de om ett var men jag han hon vi ni från så kan när
        eller också efter vid mot ska skulle bara sin sina detta dessa där här blir mycket mellan under över utan alla
        varje denna""",
    "da": """og at det som en på er af for med den til ikke har de om et var men jeg han hun vi fra så kan når eller
        også
        efter ved mod skal skulle kun sin sine dette disse der her bliver meget mellem under over uden alle hver denne
        være blev hvad""",
    "no": """og at det som en på er av for med den til ikke har de om et var men jeg han hun vi fra så kan når eller
        også
        etter ved mot skal skulle bare sin sine dette disse der her blir mye mellom under over uten alle hver denne være
        ble hva""",
    "fi": """ja on ei se että oli kun niin mutta myös tai hän ne sen ovat joka jos kuin mitä ole voi olla nyt sekä minä
        sinä hänen jotka vain kaikki mukaan ennen tämä nämä sitä siitä jonka kanssa ollut vielä koska ilman hyvin
        jälkeen""",
    "pl": """i w na z do nie się jest że to o jak po za od przez dla ale oraz tym tego jego jej ich który która które
        są był była było czy tylko może lub już przy ze gdy więc także bez być nad pod między tak co każdy bardzo""",
    "cs": """a v na se je že to s z do o i k za pro po ale jako by od jsou byl byla bylo nebo jeho který která které tak
        při aby také jen když než může ještě jsem podle mezi pod nad bez být jsou už co jejich tento každý velmi""",
    "ro": """și în de la a cu pe nu este o un că din se mai pentru care sunt ce sau au fost să ca prin dar al ale dacă
        după fi când fără între lui ei sa cei cele acest această aceste foarte poate toate unei unui către""",
    "hu": """a az és hogy nem is egy ez azt van volt meg de csak mint már ha vagy még el ki kell lehet mert minden
        ezt után között amely amelyek alatt azonban úgy olyan nagyon több mely szerint aki ami által két lesz""",
    "tr": """ve bir bu da de için ile olarak olan çok daha ne gibi en kadar sonra ya var yok değil ise her o ben sen
        biz siz ama veya ancak bunu olduğu şu hem tarafından göre diye mi mı oldu olur üzere arasında""",
    "id": """yang dan di ini itu dengan untuk dari dalam tidak pada adalah akan ke juga atau oleh sebagai ada mereka
        kami saya dia bisa dapat telah lebih karena seperti hanya sudah tetapi antara secara jika harus setiap
        menjadi tersebut""",
    "vi": """và là của có trong được cho không các một những với này để người khi đã từ như đến về ra cũng còn
        nhưng vào hay rất tại theo nếu sẽ phải mà đó nhiều trên thì bởi""",
    "ru": """и в не на что с он как это по но к из у за от так же для или то его бы только о есть если когда при
        был была было быть может уже их все до чтобы она они мы вы также этот эта эти который которая которые между
        после""",
    "uk": """і в не на що з він як це по але до та у за від так же для або його тільки є якщо коли при був була було
        бути може вже їх всі щоб вона вони ми ви також цей ця ці який яка які між після про та й""",
    "bg": """и в не на че с той като това по но към от за да се е са или го само ако когато при беше бил била може
        вече им всички до тя те ние вие също този тази тези който която които между след ще си""",
    "sr": """и у не на да је се су за од као то по али са из или што он она они ми ви који која које само може ако
        када при био била било бити њих све до такође овај ова ово између после ће""",
    "ar": """في من على إلى أن عن هذا هذه التي الذي مع كان ما لا هو هي أو كل قد بعد ذلك بين لم كما عند أي غير تم حيث""",
    "fa": """در به از که این را با است برای آن یک خود تا کرد بر هم نیز شده می های ها است، و یا اگر باید شود بود""",
    "ur": """کے میں کی ہے اور سے کا کو اس نے پر یہ ہیں کہ بھی ایک تھا جو نہیں تھے کر کیا گیا ہو تو ہی وہ یا""",
}

WORDS: dict[str, frozenset[str]] = {code: frozenset(words.split()) for code, words in _LISTS.items()}

LETTERS: dict[str, str] = {
    "de": "ß",
    "fr": "œç",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "da": "æø",
    "no": "æø",
    "sv": "ä",
    "fi": "ä",
    "pl": "łąęśżźćń",
    "cs": "řěůťď",
    "ro": "țșăţş",
    "hu": "őű",
    "tr": "ğış",
    "vi": "ơưđạảấầẩậắằặẹẻẽếềểệịọỏốồổộớờởợụủứừửựỳỵỷỹ",
    "uk": "іїєґ",
    "ru": "ыэё",
    "bg": "ъ",
    "sr": "ђјљњћџ",
    "fa": "پچژگک",
    "ur": "ٹڈڑںےھہ",
}
"""Letters that speak for one language among those written in the same script."""
