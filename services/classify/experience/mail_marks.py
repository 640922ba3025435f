"""The marks that mail programs, people and lawyers leave in a mail, as patterns. Knows no mail; `mail` reads by them.

Each is matched at the beginning of one stripped line of bounded length, so that all of them are linear. English first;
German, French, Spanish, Italian, Dutch, Portuguese and the Scandinavian languages where their programs write their own.
"""

import re

QUOTED = re.compile(r">|\|\s?>")
WROTE = re.compile(
    r"(?:on|am|le|el|op|em|il|den|dnia|no dia)\s.{4,250}"
    r"(?:wrote|schrieb\b.{0,120}|a écrit|"
    r"escribi[óo]|schreef|escreveu|ha scritto|skrev\b.{0,120}|napisał(?:\(a\))?)\s?:$",
    re.IGNORECASE,
)
WROTE_BEGINS = re.compile(r"(?:on|am|le|el|op|em|il|den|dnia|no dia)\s.{0,80}\d", re.IGNORECASE)
FORWARDED = re.compile(
    r"[-_=*\s]{0,40}(?:begin forwarded message|original message|original appointment|forwarded message|"
    r"forwarded by|weitergeleitete nachricht|anfang der weitergeleiteten|urspr(?:ü|ue)ngliche nachricht|"
    r"message d.origine|message transf[ée]r[ée]|d[ée]but du message|mensaje original|mensaje reenviado|"
    r"messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht|mensagem original|"
    r"mensagem encaminhada|oprindelig meddelelse|ursprungligt meddelande)\b.{0,60}$",
    re.IGNORECASE,
)
RULED = re.compile(r"[-_=*]{3,}")
FROM = re.compile(r"[*\s]{0,3}(?:from|von|de|da|van|fra|från)\s?:[*\s].{1,300}", re.IGNORECASE)
FIELD = re.compile(
    r"[*\s]{0,3}(?:from|sent|to|cc|bcc|subject|date|reply-to|importance|von|gesendet|an|betreff|datum|de|envoyé|à|objet|"
    r"date|enviado(?: el)?|para|asunto|fecha|da|inviato|a|oggetto|data|van|verzonden|aan|onderwerp|assunto|fra|sendt|"
    r"til|emne|från|skickat|till|ämne|kopia)\s?:\**(?:\s|$)",
    re.IGNORECASE,
)
DASHES = re.compile(r"(?:--|__)$")
SIGN_OFF = re.compile(
    r"(?:(?:(?:with |my |our )?(?:very |best|kind|kindest|warm|warmest|many) ){0,2}(?:regards|wishes|thanks)|regards|"
    r"yours(?: (?:sincerely|faithfully|truly))?|sincerely|respectfully|cheers|thanks|thank you|thx|best|"
    r"mit (?:freundlichen|besten|herzlichen|lieben) grü(?:ß|ss)en|(?:viele |beste |liebe |freundliche )?grü(?:ß|ss)e|"
    r"mfg|(?:bien |très )?cordialement|salutations(?: distinguées)?|bien à vous|(?:un )?saludos?(?: cordial(?:es)?)?|"
    r"atentamente|cordialmente|(?:cordiali |distinti )?saluti|met vriendelijke groet(?:en)?|mvg|atenciosamente|"
    r"(?:med )?(?:venlig|vänliga?) h(?:ilsen|älsning(?:ar)?)|mvh)(?: and thanks| again| in advance)?\s?[,.!]?$",
    re.IGNORECASE,
)
SENT_FROM = re.compile(
    r"(?:sent (?:from|via|with|using) (?:my|the|an?|outlook|yahoo|gmail|mail|samsung|proton|android|iphone|ipad)\b|"
    r"get outlook for|sent by my|(?:von|gesendet von) mein|(?:diese nachricht wurde )?von mein\w+ .{0,40} gesendet|"
    r"envoy[ée] (?:de|depuis) mo|enviado (?:desde|do) m|inviato da(?:l mio)?|verzonden vanaf mijn|"
    r"verstuurd vanaf mijn|sendt fra min|skickat från min|wysłano z|télécharge[zr] outlook|outlook für (?:android|ios))"
    r".{0,90}$",
    re.IGNORECASE,
)
NOTICE = re.compile(
    r"[*\s\[(]{0,4}(?:caution|warning|external(?: e?-?mail)?|achtung|attention|disclaimer|confidentiality(?: notice)?|"
    r"confidential|privileged (?:and|&) confidential|legal notice|important notice|haftungsausschluss|"
    r"vertraulichkeitshinweis|avis de confidentialité|aviso legal|aviso de confidencialidad)\b\s?[:*\])!-]|"
    r"[*\s\[(]{0,4}\[external\]|"
    r"(?:this (?:e-?mail|message|communication|transmission)\b.{0,120}|the (?:information|contents?) (?:contained )?in "
    r"this (?:e-?mail|message|communication)\b.{0,160}|any (?:views|opinions) (?:or opinions )?expressed\b.{0,120})"
    r"(?:confidential|privileged|intended|solely|addressee|originated (?:from )?outside|those of the|represent)|"
    r"if you (?:are not the intended recipient|have received this (?:e-?mail|message|communication))|"
    r"this (?:e-?mail|message) (?:originated|came|was sent) from (?:outside|an external)|"
    r"please consider the environment before|think before you print|"
    r"registered (?:office|in england|in scotland|in ireland|company number)\b|"
    r"(?:this (?:e-?mail|message) (?:has been|was) (?:scanned|checked) (?:for|by))|virus-free\b|"
    r"to unsubscribe\b|(?:click here to )?unsubscribe(?: here| from)?\b.{0,60}$|view (?:this )?(?:e-?mail|message) in "
    r"(?:your|a) (?:web )?browser|you (?:are receiving|received) this (?:e-?mail|message) because|"
    r"diese (?:e-?mail|nachricht)\b.{0,80}(?:vertraulich|bestimmt)|ce (?:message|courriel)\b.{0,100}confidentiel|"
    r"este (?:mensaje|correo)\b.{0,100}confidencial|questo messaggio\b.{0,100}riservat",
    re.IGNORECASE,
)
PICTURE = re.compile(r"\[(?:cid:|image:|https?:)[^\]\n]{0,300}\]|!\[[^\]\n]{0,100}\]\([^)\n]{0,300}\)", re.IGNORECASE)
PS = re.compile(r"p\.?\s?s\.?\b", re.IGNORECASE)
QUOTE_TAG = re.compile(
    r"<blockquote\b[^<>]{0,500}>|<div\b[^<>]{0,300}(?:gmail_quote|yahoo_quoted|moz-cite-prefix|divrplyfwdmsg|"
    r"appendonsend|gmail_signature|ms-outlook-mobile-signature|protonmail_(?:signature|quote))[^<>]{0,300}>",
    re.IGNORECASE,
)
