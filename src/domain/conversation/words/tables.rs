//! What customers write about our texts: words and phrases in tables, which can be read and extended without knowing
//! the reader.
//!
//! All words are plain: lower case, without accents and apostrophes ("don't" is `dont`, "más" is `mas`). In a phrase,
//! `a/b` is one of the two words, `?a/b` is one of them or nothing, `@name` is a word of the list `name` below, and
//! `?@name` is one of its words or nothing.

/// The meaning of a phrase, unless the words around it change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// An opt-out.
    Out,
    /// An opt-out in the form of a prohibition. After a subject ("they don't text me") it is not a request.
    Not,
    /// An opt-out if nothing follows.
    OutAtTheEnd,
    /// A possible opt-out.
    Doubt,
    /// A possible opt-out if nothing follows.
    DoubtAtTheEnd,
    /// A possible opt-out, unless the customer asks for texts instead of calls.
    Calls,
    /// Something else, although it contains a shorter phrase with a meaning.
    Ordinary,
}

/// The lists that phrases refer to.
pub(super) const LISTS: &[(&str, &str)] = &[
    ("stop", "stop/quit/cease/discontinue"),
    ("not", "dont/never"),
    ("texting", "texting/messaging/contacting/txting/textin/msging/smsing/spamming"),
    ("text", "text/txt/message/msg/contact/sms"),
    ("texts", "texts/text/messages/message/msgs/txts/sms/texting/messaging/notifications/spam"),
    ("these", "the/these/those/your/any/my/this"),
    ("list", "list/lists/database/system/contacts/records/file/files/texts/messages"),
    ("kind", "mailing/contact/text/texting/call/calling/phone/sms/marketing/customer/message"),
    ("escriba", "escriba/escriban/escribas/textee/texteen/textees/contacte/contacten/contactes/mensajee/mensajeen"),
    ("mande", "mande/manden/mandes/envie/envien/envies"),
    ("mandar", "mandar/mandarme/mandarnos/enviar/enviarme/enviarnos"),
    ("deja", "deja/deje/dejen/dejes/para/pare/paren/pares"),
    ("mensajes", "mensajes/mensaje/textos/texto/sms/msjs/mensajitos"),
    (
        "quita",
        "quitenme/quiteme/quitame/borrenme/borreme/borrame/eliminenme/elimineme/eliminame/saquenme/saqueme/sacame",
    ),
    ("borra", "borren/borre/borra/eliminen/elimine/elimina/quiten/quite/quita/saquen/saque"),
    ("dar", "dar/darme/darnos/deme/denme/dame"),
    ("lista", "lista/listas/contactos/sistema/registros"),
];

/// The words of 47 CFR 64.1200(a)(10) and similar ones: they opt out if, apart from courtesy, the text contains nothing
/// else. They may be repeated and combined.
pub(super) const ALONE: &[&str] = &[
    "stop/stopall/unsubscribe/unsub/cancel/end/quit/revoke/optout",
    "stop all",
    "un subscribe",
    "unsubscribe me/us/all",
    "revoke consent",
    "opt/opting ?me/us out",
    "remove/delete me/us",
    "take me/us off",
    "no more",
    "parar/pare/paren/alto/basta/detener/cancelar/baja/desuscribir/desuscribirme/eliminar",
    "ya basta",
    "basta ya",
    "?quiero/quisiera @dar de baja",
    "quitenme/quiteme/quitame/borrenme/borreme/borrame/eliminenme/elimineme/eliminame",
    "no mas",
];

/// Those that count as addressed to us even if they are alone in a sentence among other sentences.
pub(super) const ALONE_IN_A_SENTENCE: &[&str] = &[
    "stop/stopall/unsubscribe/cancel/end/quit/revoke/optout",
    "stop all",
    "opt/opting ?me/us out",
    "unsubscribe me/us",
    "remove me",
    "parar/paren/alto/basta/cancelar",
    "ya basta",
];

/// What may occur between these words.
pub(super) const BETWEEN: &[&str] = &["or/and/y/o"];

/// Words of courtesy or emphasis around them.
pub(super) const COURTESY: &[&str] = &[
    "please/plz/pls/plse/kindly/thanks/thx/tks/ty/tnx/sorry/ok/okay/k/hi/hello/hey/dear/sir/madam/maam/guys/folks/bye/goodbye",
    "thank/thanks you ?so/very ?much",
    "thanks so/very much",
    "many thanks",
    "have a good/great/nice day/one/evening/night",
    "good morning/afternoon/evening/night/day",
    "excuse me",
    "all right",
    "now/immediately/asap/already/just/again/seriously/forever/ugh/omg/damn/dammit/wtf/man/bro",
    "right now/away",
    "for the last time",
    "por favor",
    "porfavor/porfa/gracias/hola/disculpe/disculpa/disculpen/perdon/perdone/senor/senora/adios/ya/ahora/favor/xfa/xfavor",
    "muchas/mil gracias",
    "buenos dias",
    "buenas ?tardes/noches",
    "lo siento",
    "best/kind/warm regards/wishes",
    "regards/cheers/sincerely/saludos/atentamente/best",
    "ahora mismo",
    "de inmediato",
];

/// An answer to a question of ours, as a sentence by itself.
pub(super) const YES_OR_NO: &[&str] = &["yes/yeah/yep/no/nope/nah/si/sure"];

/// Reasons for an opt-out. They remove the doubt about a word that is alone in its sentence.
pub(super) const REASONS: &[&str] = &[
    "?sorry ?this ?is ?you ?have/got/has ?the/a wrong number/person",
    "?im/i ?am ?really not interested",
    "i dont know you",
    "i do not know you",
    "?please leave me/us alone",
    "numero equivocado",
    "no me/nos interesa",
    "no ?estoy interesado/interesada",
];

/// Doubtful if, apart from courtesy, the text contains nothing else: it may be about our texts, an appointment or the
/// work.
pub(super) const DOUBTFUL_WHOLE: &[&str] = &[
    "stop/quit/end/cancel it/that/this/everything/us",
    "stop/cancel/quit ?just kidding",
    "never mind stop/cancel",
    "cancel all",
    "make this stop",
    "yes/yeah/si/no/not/sure ?now stop/cancel/quit/end/cancelar",
    "i want/need to stop/cancel/quit/end",
    "i would like to stop/cancel/quit/end",
    "id like to stop/cancel/quit/end",
    "i quit",
    "i told you to stop",
    "can/could/will/would you/u stop/quit",
    "you can/may stop",
    "enough/remove/delete/suficiente/para/cancele/cancelen/cancelelo/cancela/vayanse/dejame/dejeme/fin/terminar/salir",
    "enough is enough",
    "go away",
    "ya no ?quiero ?nada/mas ?gracias",
    "no quiero nada/mas",
    "quiero/quisiera/necesito/deseo cancelar",
    "cancelar todo",
    "no molesten/moleste",
];
/// Doubtful texts that consist of courtesy words only.
pub(super) const DOUBTFUL_COURTESY: &[&str] = &["ya"];

/// What may follow such a word without punctuation: it starts a new clause.
pub(super) const NEW_THOUGHT: &[&str] = &[
    "i/im/ill/ive/id/we/were/you/youre/its/lol/jk/just/or/he/she/they",
    "and/but/because/cause/cuz/bc/call/ring/phone",
    "y/pero/porque/pq/llame/llamen/llameme/llamenme/llama/llamame/mejor/yo/soy/solo",
];
/// The same after `stop` at the start of a text. "Stop my sink" and "stop this leak" ask for work.
pub(super) const AFTER_A_WORD: &[&str] = &["i/im/ill/ive/id/we/you/youre/lol/jk/just/kidding/or"];

/// Words after a phrase that do not change its meaning: the addressee, and a duration that means forever.
pub(super) const NEUTRAL: &[&str] = &[
    "me/us/here/nos",
    "to/on/at ?this/my ?phone/cell/mobile number/phone/cell/cellphone/line",
    "this/my ?phone/cell/mobile number/phone/cell/cellphone/line",
    "to me/us",
    "to receive/receiving/get ?any ?more ?your/these/the ?text @texts",
    "to be texted/contacted/messaged",
    "to text/contact/message me/us",
    "from you ?guys/people",
    "from your ?company/business/number",
    "from this/these/your/all/any/those ?company/business/number/texts/messages/text/list/lists",
    "from texts/messages/everything/@list",
    "anymore/again/ever/period/back/please/pls/plz/thanks/immediately/altogether/forever/more/instead/asap",
    "any more",
    "at all",
    "thank you",
    "por favor",
    "mas/nunca/jamas/nada/gracias/porfavor",
    "a ?este/mi numero/telefono/celular",
    "de ustedes/usted/ti",
];
/// The same after a request to stop: "now" does not limit it. After a prohibition it would: "don't … now" says nothing
/// about tomorrow.
pub(super) const NEUTRAL_AFTER_STOP: &[&str] = &["now/already/today", "right now/away", "you guys/people/idiots"];

/// Conditions before a phrase …
pub(super) const CONDITIONS_BEFORE: &[&str] =
    &["if/unless/when/once/until/till/while/after/before/or/whenever/except/si/cuando/hasta/mientras/aunque/salvo/o"];
/// … and after a comma.
pub(super) const CONDITIONS_AFTER: &[&str] =
    &["if/unless/until/till/except/only/before/after/when/si/hasta/salvo/excepto/cuando/antes/despues"];

/// Words directly before a phrase that reverse its meaning, and what may occur between.
pub(super) const OPPOSITE: &[&str] = &[
    "dont/never/didnt/wont/cant/cannot/doesnt/wouldnt/couldnt/shouldnt/havent/hasnt/isnt/not/no/nunca/jamas/without/nobody",
];
pub(super) const BETWEEN_OPPOSITE: &[&str] =
    &["please/pls/just/ever/to/want/wish/need/like/have/going/trying/really/even/mean/quiero/quiera/que"];

/// Verbs of speech: a phrase after them is reported, not requested.
pub(super) const SPEECH: &[&str] =
    &["said/say/says/saying/told/tell/tells/asked/ask/asks/asking/wrote/typed/meant/mean/dije/digo/dijo/pedi/dijeron"];
pub(super) const DENIALS: &[&str] = &["never/didnt/not/dont/nobody/no/nunca/without/wouldnt/havent/hasnt"];
/// Words before a verb of speech if the customer reports their own words.
pub(super) const MYSELF: &[&str] = &["i/ive/we/weve/already/yo/ya/please/stop/again/ok/okay/like/as"];

/// Starts of questions about stopping that do not request it.
pub(super) const ASKS_ABOUT: &[&str] = &["why/did/does/have/has/had/porque"];
/// Starts of questions that may do either.
pub(super) const MAY_ASK_FOR: &[&str] = &["should/what/when/how/do/is/are/who"];
/// With these words, such a question complains that the texts continue.
pub(super) const GOES_ON: &[&str] = &["wont/dont/cant/still/keep"];
/// These questions are requests: they ask how to do it.
pub(super) const HOW_TO: &[&str] = &["how do/can/to/would i/we/you", "how to", "is there a/any way to"];

/// Words with which customers say what they will do themselves.
pub(super) const I_WILL: &[&str] = &["ill", "i will/can/could/may/might/did", "im gonna", "going to", "let me"];

/// Subjects directly before `dont` or `never`: such a clause is a statement, not a request.
pub(super) const SUBJECTS: &[&str] = &[
    "he/she/they/we/you/who/it/guys/people/nobody/that/usually/them/husband/wife/company/plumber/guy/office/and/still",
];

/// Words that make a noun of the next word.
pub(super) const ARTICLES: &[&str] = &["the/an/your/this/that/a"];

/// Verbs before `no` that make it a statement, not a request.
pub(super) const HAVE: &[&str] =
    &["got/get/getting/received/have/has/had/there/see/are/is/were/was/with/recibi/hay/tengo"];

/// Phrases that mark a joke.
pub(super) const JOKES: &[&str] = &["just kidding", "jk/kidding/nevermind/nvm", "never mind", "es broma"];

/// Requests for texts instead of calls.
pub(super) const WANTS_TEXTS: &[&str] = &[
    "text/message/txt me/us/instead/back/please/only",
    "please/just/only text/message/txt",
    "text only",
    "un/por mensaje/texto",
    "escribame/escribanme/escribeme/mandeme/mandenme/mandame",
];

/// Phrases within a sentence, with their meanings. Of several phrases that start at the same word, the longest counts.
pub(super) const PHRASES: &[(Means, &str)] = &[
    // Stop texting.
    (Means::Out, "@stop ?all @texting"),
    (Means::Out, "@stop @texting and/or calling/emailing"),
    (Means::Out, "@stop calling/emailing and/or @texting"),
    (Means::Out, "@stop calling/emailing me/us and/or @texting"),
    (Means::Out, "@stop writing ?to me/us"),
    (
        Means::Out,
        "@stop ?sending ?me/us ?with ?all ?of ?@these ?more/automated/automatic/annoying/stupid/damn ?text @texts",
    ),
    (Means::Out, "@stop sending ?me/us ?so many ?text @texts"),
    (Means::Out, "@stop receiving ?any/these/your ?more ?text @texts"),
    (Means::Out, "end/cancel/disable ?all ?of ?@these ?text @texts"),
    (Means::Out, "turn/shut off ?all ?@these ?text @texts"),
    (Means::Out, "enough with ?all ?@these ?text @texts"),
    (Means::Out, "cease and desist"),
    (Means::OutAtTheEnd, "said stop"),
    // Do not text.
    (Means::Not, "@not ?ever ?you ?dare ?try/bother @text"),
    (Means::Not, "do not ?ever @text"),
    (Means::Not, "@not call/email and/or @text"),
    (Means::Not, "do not call/email and/or @text"),
    (Means::Not, "@not @text and/or call/email"),
    (Means::Not, "do not @text and/or call/email"),
    (Means::Not, "@not ?ever send ?me/us ?any ?of ?@these ?more/automated ?text @texts"),
    (Means::Not, "do not ?ever send ?me/us ?any ?of ?@these ?more/automated ?text @texts"),
    (Means::Out, "no more ?text texts/messages/msgs/txts/texting/messaging/sms/text/spam"),
    (Means::OutAtTheEnd, "no texts/texting/messaging"),
    (Means::OutAtTheEnd, "no text messages"),
    (Means::DoubtAtTheEnd, "no text"),
    (Means::Out, "dont want/need/wish/like ?to ?receive/get/have ?any ?of ?@these ?more ?text @texts"),
    (Means::Out, "do not want/need/wish ?to ?receive/get/have ?any ?of ?@these ?more ?text @texts"),
    (Means::Out, "no longer want/wish/need ?to ?receive/get/have ?any ?of ?@these ?more ?text @texts"),
    (Means::Out, "dont want/wish to be texted/contacted/messaged"),
    (Means::Out, "do not want/wish to be texted/contacted/messaged"),
    (Means::Out, "no longer want/wish to be texted/contacted/messaged"),
    (Means::Out, "dont want you/anyone/anybody ?guys ?to texting/text/contacting/contact/message/messaging"),
    (Means::Out, "do not want you/anyone/anybody ?guys ?to texting/text/contacting/contact/message/messaging"),
    (Means::Out, "dont/never consent/consented ?to ?receive/receiving ?any ?@these ?text ?@texts"),
    (Means::Out, "do/did not consent ?to ?receive/receiving ?any ?@these ?text ?@texts"),
    (Means::Out, "dont have ?my permission/consent to ?call ?or @text"),
    (Means::Out, "do not have ?my permission/consent to ?call ?or @text"),
    (Means::Out, "withdraw/withdrawing/revoke/revoking ?all ?my/any consent/permission"),
    (Means::Out, "leave me/us ?the ?hell/fuck/heck alone"),
    // Off the list.
    (
        Means::Out,
        "remove/take/delete/drop/get/keep me/us from/off/of ?of ?your/the/this/all/any/that ?of ?your ?@kind @list",
    ),
    (
        Means::Out,
        "remove/take/delete/erase/drop/lose/forget my/this ?phone/cell number/# ?out ?from/off/of ?of ?your/the/this/all ?@kind ?@list",
    ),
    (Means::Out, "be/been removed/taken/deleted from/off ?of ?your/the/this/all/any ?@kind @list"),
    (Means::Out, "unsubscribe ?me/us"),
    (Means::Out, "opt/opting ?me/us out"),
    (Means::Out, "opt/opting ?me/us out of/from ?all ?receiving ?any ?@these ?text @texts"),
    (Means::Out, "opt/opting ?me/us out of this/these/everything/all"),
    (Means::Ordinary, "opt/opting out of"),
    // En español.
    (Means::Not, "no me/nos @escriba"),
    (Means::Not, "no me/nos @mande ?mas/sus/tus/estos/otro/ningun @mensajes"),
    (Means::Not, "no me/nos @mande mas"),
    (Means::Out, "@deja de escribirme/escribirnos/textear/textearme/contactarme/mensajear/mensajearme"),
    (Means::Out, "@deja de @mandar ?mas/sus/tus/estos/tantos/los @mensajes"),
    (Means::Not, "no me/nos vuelva/vuelvan/vuelvas a escribir/textear/contactar"),
    (Means::Not, "no me/nos vuelva/vuelvan/vuelvas a mandar/enviar ?mas @mensajes"),
    (Means::Not, "no vuelva/vuelvan/vuelvas a escribirme/textearme/contactarme"),
    (Means::Not, "no vuelva/vuelvan/vuelvas a @mandar ?mas @mensajes"),
    (Means::Out, "no mas @mensajes"),
    (Means::Out, "basta de ?sus/tus/estos/tantos @mensajes"),
    (Means::Out, "no quiero/deseo/queremos/necesito ?recibir ?mas ?sus/tus/estos/los/ningun @mensajes"),
    (Means::Out, "no quiero/deseo/queremos que me/nos @escriba"),
    (Means::Out, "no quiero/deseo/queremos que me/nos @mande ?mas @mensajes"),
    (Means::Out, "@dar de baja"),
    (Means::Out, "@quita de ?la/su/tu/esta/sus/todas/las/sus ?las/sus @lista"),
    (Means::Out, "@borra mi numero/telefono/celular ?de ?la/su/tu/sus/los ?@lista"),
    (Means::Out, "dejenme/dejeme/dejame/dejennos en paz"),
    // Doubtful.
    (Means::Calls, "@stop calling ?me/us"),
    (Means::Calls, "@not ?ever call ?me/us"),
    (Means::Calls, "do not ?ever call ?me/us"),
    (Means::Calls, "no me/nos llame/llamen/llames"),
    (Means::Calls, "@deja de llamar/llamarme/llamarnos"),
    (Means::Doubt, "@stop bothering/harassing/annoying/pestering/hounding/bugging me/us"),
    (Means::Doubt, "@not bother/harass/annoy me/us"),
    (Means::Doubt, "do not bother/harass me/us"),
    (Means::Doubt, "blowing up my phone"),
    (Means::DoubtAtTheEnd, "@stop sending ?me/us"),
    (
        Means::Doubt,
        "@stop sending ?me/us ?so ?many this/that/these/those/stuff/it/crap/emails/email/links/pictures/photos/anything",
    ),
    (Means::Doubt, "@stop asking/replying/responding/answering/emailing/talking ?to ?me/us ?questions"),
    (Means::Doubt, "stop/quit ?with/being ?a/the/this/your robot/bot/chatbot/conversation/chat/thread/ai"),
    (Means::Doubt, "end ?the/this/our conversation/chat/thread"),
    (Means::Doubt, "turn off ?the/this/your robot/bot/chatbot/ai"),
    (Means::DoubtAtTheEnd, "turn it/this off"),
    (Means::DoubtAtTheEnd, "no bots/robots/bot"),
    (Means::Doubt, "wrong number/person"),
    (Means::Doubt, "numero equivocado"),
    (Means::DoubtAtTheEnd, "block/blocking me/you/this"),
    (Means::Doubt, "blocking/block this/your number"),
    (Means::Doubt, "still/keep/are ?you texting me"),
    (Means::Doubt, "get/got my number"),
    (Means::Doubt, "delete/remove/close my account"),
    (Means::DoubtAtTheEnd, "delete everything"),
    (Means::Doubt, "remove/delete me for/here"),
    (Means::Doubt, "remove/delete me from here"),
    (Means::Doubt, "take me off for"),
    (Means::DoubtAtTheEnd, "cancel/stop ?my/the/this subscription/service/account"),
    (Means::DoubtAtTheEnd, "text/say/type/send/reply stop"),
    (Means::Doubt, "text/type/send/reply stop to"),
    (Means::DoubtAtTheEnd, "i dont text"),
    (Means::DoubtAtTheEnd, "i do not text"),
    (Means::DoubtAtTheEnd, "no me/nos @mande"),
    (Means::Doubt, "no me/nos @mande fotos/nada/eso/esto/cosas"),
    (Means::Doubt, "no le/les @escriba"),
    (Means::DoubtAtTheEnd, "no escriba/escriban/escribas"),
    (Means::DoubtAtTheEnd, "@deja de @mandar"),
    (Means::Doubt, "@deja de molestar/molestarme/molestarnos/escribirle/escribirles"),
    (Means::Doubt, "no me/nos moleste/molesten/molestes"),
    (Means::DoubtAtTheEnd, "cancelar/cancele/cancelen el/mi/la servicio/suscripcion/cuenta"),
];
