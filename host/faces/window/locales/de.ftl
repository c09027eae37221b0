# Die Worte des Fensters auf Deutsch. Jede Kennung steht in jeder Sprache; ein Test vergleicht sie.

pages = Seiten
page-now = Jetzt
page-waiting = Wartet auf Sie
page-deals = Geschäfte
page-archive = Archiv
page-accounts = Konten
page-believed = Wem ich glaube
page-consents = Zustimmungen
page-told = Über mich mitgeteilt
page-settings = Einstellungen
page-help = Hilfe

head-picture = Ihr Bild. Nur Ihr eigenes Fenster zeigt es neben Ihrem Spruch.
head-nobody = Sie werden gerade nichts gefragt.
head-with = Mit { $peer }
head-certified = Geprüft von { $who }
head-uncertified = Von niemandem geprüft, dem Sie vertrauen
head-lock = Sperren
head-lock-key = Strg L sperrt jederzeit.

tried-yours = Wenn das nicht Sie waren, war jemand an Ihrem Computer.
tried-seen = Gesehen

status-idle = Wartet auf Ihren Host.
status-yes = Sie haben zugestimmt; die Unterschrift ist unterwegs.
status-agreed = Sie haben zugestimmt.
status-no = Sie haben abgelehnt.
status-left = Sie sind ausgestiegen.
status-answered = Sie haben geantwortet.
status-withdrawn = Die Frage wird nicht mehr gestellt.
status-unlocked = Entsperrt.
status-as-intended = wie die Bedingungen es vorsehen
status-completed = Das Geschäft ist abgeschlossen, wie die Bedingungen es vorsehen.
status-opening = Sie entscheiden, ob ein Geschäft mit { $peer } eröffnet wird.
status-signing = Sie entscheiden, ob unterschrieben wird: { $title }
status-exchange = Sie entscheiden über einen fairen Tausch mit { $peer }.
status-pairing = Sie entscheiden über das Programm „{ $name }“.
status-link = Sie entscheiden, ob ein Verweis geöffnet wird.
status-asks = Der Dienst fragt: { $topic }
status-filled = NICHT GEPRÜFT, von „{ $by }“: { $said } · der Dienst fragt: { $topic }
status-answered-by = „{ $name }“ hat „{ $topic }“ für Sie beantwortet.
status-message = Nachricht { $count } ist unterschrieben und unterwegs.

waits-here = Etwas wartet auf Ihre Antwort.
waits-back = Dorthin

decision-heading = IHRE ENTSCHEIDUNG
decision-amount = Es geht um { $amount }
decision-means = Was ein Ja bedeutet
decision-digest = Unterschreibt genau diese Bytes
decision-topic = Art
decision-hidden = { $count ->
    [one] Eine Zeile mit Schlüsseln oder Prüfsummen ist weggelassen; die Expertenansicht zeigt sie.
   *[other] { $count } Zeilen mit Schlüsseln oder Prüfsummen sind weggelassen; die Expertenansicht zeigt sie.
}
decision-wait = Sie können in { $seconds } s antworten, wenn die Tastatur ruht.
decision-read = Lesen Sie erst bis zum Ende: Bild ab, oder blättern. Nichts darf übersprungen werden.
decision-binds = Eine Unterschrift hier bindet Sie wie eine auf Papier.
decision-signs-nothing = Damit wird nichts unterschrieben.
decision-no = Nein, ich lehne ab
decision-yes = Ja, ich unterschreibe
decision-yes-agreement = Ja, Geschäft eröffnen
decision-yes-exchange = Ja, ich stimme zu und zahle wie gezeigt
decision-yes-order = Ja, ich bestelle
decision-yes-pairing = Ja, es darf für mich einkaufen
decision-yes-link = Ja, öffnen
decision-yes-certificate = Ja, so soll es sein
decision-yes-payment-order = Ja, ich zahle

question-heading = DER DIENST SAGT — von niemandem geprüft
question-note = Das sind Worte des Dienstes und nicht Ihres Computers. Eine Antwort hier unterschreibt nichts und zahlt nichts.
question-seen = Gesehen, weiter
question-take = Das nehmen
question-send = Antworten senden
question-leave = Aus dem Geschäft aussteigen

now-nothing = Sie werden nichts gefragt.
now-quiet = Wenn Ihr Host ein Geschäft eröffnet, etwas fragt oder eine Nachricht sendet, sehen Sie es hier.
now-deal = Geschäft mit { $peer }

waiting-none = Nichts wartet auf Sie.
waiting-now = Jetzt gefragt: { $peer }

deals-none = Es gibt noch keine Geschäfte. semper buy beginnt eines.
deals-asks = wartet auf Sie
state-running = im Gange
state-completed = abgeschlossen
state-withdrawn = verlassen
state-failed = gescheitert
state-disputed = umstritten

story-back = Alle Geschäfte
story-state = Stand
story-opened = Eröffnet
story-changed = Letzte Änderung
story-until = Wartet bis
story-id = Nummer
story-signed = Was unterschrieben wurde, der Reihe nach

steps = Schritte
steps-unknown = Die Bedingungen oder das Tagebuch dieses Geschäfts sagen nicht, wie weit es ist.
steps-done = { $what } — { $by }: getan
steps-next = { $what } — { $by }: als Nächstes
steps-next-perhaps = { $what } — { $by }: als Nächstes, oder etwas anderes an seiner Stelle
steps-left = { $what } — { $by }: noch zu tun
steps-perhaps = { $what } — { $by }: vielleicht; etwas anderes kann an seine Stelle treten
steps-how = Getan ist sicher: es ist unterschrieben oder gebucht. Was noch zu tun ist, ist der kürzeste Weg, den die Bedingungen vorsehen. Das Geschäft kann auch vorher enden, wenn eine Seite aussteigt oder eine Frist verstreicht.
steps-none = Nichts ist mehr zu tun.
steps-you = Sie
steps-they = die andere Seite
steps-payment = Zahlung
steps-exchange = Tausch: { $gives } für { $gets }
steps-information = Nachricht „{ $name }“

archive-find = Suchen
archive-count = { $count ->
    [one] ein Eintrag
   *[other] { $written } Einträge
}
archive-reading = Wird gelesen …
archive-none = Noch ist nichts unterschrieben.
archive-not-found = Nichts ist so.
archive-with = Mit
archive-anybody = allen
archive-month = Monat
archive-any-month = alle
archive-in = Ein
archive-out = Aus
archive-by-system = Über
archive-totals = Was sich bewegt hat, nach Monaten
archive-by = von { $signer }
records-again = Noch einmal versuchen

kind-agreement = Vereinbarung
kind-offer = Angebot
kind-order = Bestellung
kind-payment-order = Zahlungsauftrag
kind-hold-order = Sperrauftrag
kind-payment-confirmation = Zahlungsbestätigung
kind-receipt = Quittung
kind-shipping-note = Versandanzeige
kind-completion = Abschluss
kind-withdrawal = Rücktritt
kind-certificate = Zertifikat
kind-exchange = Tausch

part-offer = ein Angebot
part-order = eine Bestellung
part-receipt = eine Quittung
part-payment-order = ein Zahlungsauftrag
part-hold-order = ein Sperrauftrag
part-payment-confirmation = eine Zahlungsbestätigung
part-shipping-note = eine Versandanzeige
part-completion = ein Abschluss
part-withdrawal = ein Rücktritt
part-information = die Information „{ $name }“ ({ $bytes } Bytes)
part-over = { $part } über { $amount }
part-and = und

accounts-none = Dieses Heim hat kein Konto. semper account open eröffnet eines.
accounts-number = Konto
accounts-address = Adresse der Bank
accounts-modes = Zahlt auf diese Weisen
accounts-balance = semper account show fragt die Bank nach dem Kontostand.

believed-examines = Sie prüfen Dienste für Sie
believed-authority = Sie sagen, wer jemand ist
believed-third-party = Sie entscheiden, wenn ein Tausch schiefgeht
believed-log = Sie zeigen öffentlich, was unterschrieben wurde
believed-about = Für
believed-until = Gilt bis
believed-key = Schlüssel
believed-none = Sie glauben noch niemandem. semper trust fügt jemanden hinzu.

told-what = Was über Sie mitgeteilt wurde, und wem. Es erscheint hier, sobald es geschieht: Dieses Fenster sieht, was es unterschreibt, bevor es verschlüsselt wird.
told-none = Über Sie wurde nichts mitgeteilt.
told-lately = Zuletzt über Sie mitgeteilt
told-line = { $day }: { $what }: { $value } ({ $how })
told-sealed = verschlüsselt mit dem Schlüssel des Empfängers für dieses Geschäft
told-tls = über TLS
told-more = { $count ->
    [one] und eines mehr
   *[other] und { $count } mehr
 }
told-back = An { $to } schreiben und Löschung verlangen
told-letter = Der Brief ist geschrieben: { $file }. Lesen Sie ihn, ändern Sie ihn nach Wunsch, und schicken Sie ihn selbst ab.
told-complain = Sich beschweren
told-complain-how = semper archive letter --complain-to ORGANISATION schreibt an eine Organisation, etwa eine, die den Dienst zertifiziert hat. semper archive disclosed zeigt dasselbe für jedes Geschäft, auch für frühere.
consents-asked = Dieses Fenster fragt Sie zu allem, was Sie bindet. Ohne eine Frage geschieht nur, was hier steht.
consents-applications = Programme, die für Sie einkaufen dürfen
consents-none = Kein Programm darf für Sie einkaufen.
consents-since = erlaubt seit
consents-use = hat begonnen
consents-unused = noch keinen Einkauf
consents-used = { $count ->
    [one] einen Einkauf, am { $last }
   *[other] { $count } Einkäufe, den letzten am { $last }
}
consents-take-back = Erlaubnis von „{ $who }“ zurücknehmen …
consents-take-back-now = Ja, Erlaubnis von „{ $who }“ zurücknehmen
consents-keep = Nein, sie bleibt
consents-then = „{ $who }“ darf dann nichts mehr. Was es begonnen hat, geht weiter, und seine offenen Fragen kommen zu Ihnen. Soll es später wieder einkaufen, fragt es Sie von Neuem.
consents-rules = Regeln
consents-rules-how = Dieses Fenster antwortet nach keinen Regeln. Ein TINGUIN ohne Fenster kann es: semper tinguin --rules DATEI. Eine solche Regel nehmen Sie zurück, indem Sie sie aus der Datei streichen und ihn neu starten.
consents-once = Was auf ein Ja folgt
consents-once-how = Haben Sie einem Tausch zugestimmt, so wird unterschrieben, was er braucht, und nichts sonst. Nachrichten eines offenen Geschäfts werden mit seinem Schlüssel unterschrieben und angezeigt. Beides endet mit dem Geschäft; semper cancel verlässt eines.

settings-language = Sprache
settings-shade = Hell oder dunkel
settings-system = Wie der Computer es hat
settings-light = Hell
settings-dark = Dunkel
settings-size = Schriftgröße
settings-depth = Wie viel gezeigt wird
settings-plain = Einfach: was alle brauchen
settings-expert = Experte: auch Schlüssel, Zertifikate und Prüfsummen
settings-picture = Ihr eigenes Bild: legen Sie eine Datei picture.png in Ihr Heim.

unlock-locked = Gesperrt
unlock-phrase = Weder Ihr Spruch noch Ihr Bild steht hier, wo jeder sie sieht. Beide kommen mit Ihren Schlüsseln wieder. Wenn Sie Ihre Passphrase eingegeben haben und sie nicht sehen, ändern Sie sie sofort.
unlock-ask = Ihre Passphrase
unlock-ask-pin = PIN des Tokens „{ $token }“
unlock-why-pin = Ihre Schlüssel sind im Token oder durch ihn verschlüsselt: Nichts wird unterschrieben, bis Sie seine PIN eingeben. Geschäfte warten auf Sie und verlieren nichts.
unlock-open = Öffnen
unlock-why = Ihre Schlüssel sind nicht im Speicher: Nichts wird unterschrieben, bis Sie Ihre Passphrase eingeben. Sie bleibt im Prozess dieses Fensters. Geschäfte warten auf Sie und verlieren nichts.
unlock-trying = Wird geöffnet …
unlock-wrong = Das war nicht die Passphrase. Versuchen Sie es noch einmal.
unlock-early = { $seconds ->
    [one] Es gab falsche Passphrasen: Die nächste kann in einer Sekunde versucht werden.
   *[other] Es gab falsche Passphrasen: Die nächste kann in { $seconds } Sekunden versucht werden.
}
unlock-wait = Die nächste kann versucht werden in { $seconds ->
    [one] einer Sekunde. Ein Neustart verkürzt nichts.
   *[other] { $written } Sekunden. Ein Neustart verkürzt nichts.
}
unlock-tried = { $count ->
    [one] Eine falsche Passphrase seit { $since }.
   *[other] { $written } falsche Passphrasen seit { $since }.
}
unlock-waiting = { $count ->
    [one] Eine Frage wartet auf Sie.
   *[other] { $written } Fragen warten auf Sie.
}
unlock-failed = Der TINGUIN kann nicht starten

row-with = mit
row-service = Dienst
row-terms = Geschäftsbedingungen
row-payment-by = Zahlung durch
row-messages = Nachrichten
row-ends-by = endet spätestens
row-caution = VORSICHT
row-order = Bestellung
row-bank = Bank
row-amount = Betrag
row-from-account = von Konto
row-to-account = auf Konto
row-into-account = auf Konto
row-until = bis
row-exchange = Tausch
row-third-party = dritte Stelle
row-third-partys-fee = Gebühr der dritten Stelle
row-delivery = Lieferung
row-total = Summe
row-valid-until = gültig bis
row-offer = Angebot
row-to-pay = zu zahlen
row-deliver-to = Lieferung an
row-for = für
row-parcel = Paket
row-arrives-by = kommt an bis
row-reason = Grund
row-you-sign = Sie unterschreiben
row-you-pay = Sie zahlen
row-you-give = Sie geben
row-you-get = Sie bekommen
row-fairness = Fairness
row-how = wie
row-to-be-accepted-by = anzunehmen bis
row-decided-by = entschieden bis
row-locked-until-at-most = gesperrt höchstens bis
row-can-be-taken-back-until = kann zurückgeholt werden bis
row-begun-by = begonnen von
row-it-calls-itself = es nennt sich
row-its-code = sein Code
row-its-web-page = seine Webseite
row-it-may = es darf
row-it-may-never = es darf nie
row-not-checked = NICHT GEPRÜFT, von „{ $who }“
by-a-link = einem Verweis
by-applications = Programmen
row-a-shop-at = ein Laden bei
row-it-fills-in = füllt aus
row-who-made-it = von wem

title-decision = Ihre Entscheidung
title-question = eine Frage
title-agreement = Geschäft mit { $peer } eröffnen
title-order = Bestellung bei { $peer }
title-offer = Angebot { $number } an { $peer }
title-pay = { $sum } an { $peer } zahlen
title-pay-provisionally = { $sum } an { $peer } zahlen, vorläufig
title-lock = { $sum } für { $peer } sperren
title-receipt = Quittung über { $sum } für { $peer }
title-shipping = Versandanzeige an { $peer }
title-completion = Geschäft mit { $peer } abschließen
title-withdrawal = Aus dem Geschäft mit { $peer } aussteigen
title-confirm = Eine Zahlung bestätigen
title-exchange = Fairer Tausch mit { $peer }: { $gives } für { $gets }
title-pairing = Das Programm „{ $name }“ für Sie einkaufen lassen
title-certificate = Ein Zertifikat übernehmen
title-replacement = Ihren Schlüssel ersetzen
means-certificate = Sie unterschreiben damit in jedem neuen Geschäft.
means-certificate-other = Stammt es nicht von der Stelle, bei der Sie sich angemeldet haben, so glauben Ihnen andere nicht.
means-replacement = Sobald der nächste Schlüssel zertifiziert ist, wird mit keinem älteren mehr unterschrieben.
means-replacement-deals = Geschäfte, die mit einem älteren laufen, können nicht weitergehen.
status-certificate = Es geht um ein Zertifikat.
status-replacement = Es geht darum, ob ein Schlüssel ersetzt wird.
status-told-sealed = { $name } mitgeteilt: { $what } (verschlüsselt mit dem Schlüssel des Empfängers für dieses Geschäft).
status-told-tls = { $name } mitgeteilt: { $what } (über TLS).
status-connected = Verbunden mit Ihrem Rechner „{ $name }“ unter { $address }.
status-not-connected = Nicht verbunden mit Ihrem Rechner „{ $name }“ unter { $address }: { $why }
token-away = Der Token „{ $name }“ ist nicht da.
token-plug = Der Token „{ $name }“ ist nicht da: Stecken Sie ihn ein und geben Sie seine PIN ein. Nichts geht verloren.
token-wrong = Die PIN des Tokens ist falsch.
token-counts = Die PIN des Tokens ist falsch, und er zählt die falschen.
token-last = Die PIN des Tokens ist falsch, und eine weitere falsche sperrt ihn endgültig.
token-locked = Die PIN des Tokens ist falsch, und er hat sich gesperrt.
row-you-sign-as = Sie unterschreiben als
row-from-now-on-as = künftig als
row-then-certified-by = künftig zertifiziert von
row-certified-by = zertifiziert von
row-role = als
row-certified-as = zertifiziert als
title-link = Einen Verweis öffnen

says-new = { $peer } (neu für Sie)
says-known = { $peer } (schon einmal Geschäfte gemacht)
says-encrypted = verschlüsselt
says-clear = unverschlüsselt
says-each = je { $sum }
says-within = { $count ->
    [one] { $sum }, binnen eines Tages
   *[other] { $sum }, binnen { $count } Tagen
}
says-signed = { $summary }, unterschrieben von { $peer }
says-unknown = { $digest } — IHREM HOST UNBEKANNT
says-account = { $number } bei { $bank }
says-way = { $way }, bei { $bank }
says-more-answers = { $count } weitere Antworten auf andere Fragen
says-last-of = { $said } (die letzte von { $count } Antworten)
summary = { $kind } vom { $day }
summary-over = { $kind } vom { $day } über { $sum }
summary-offer = Angebot { $number } vom { $day }: { $first } …, zusammen { $sum }
fee-if-part = { $sum }, wenn eine Seite sie entscheiden lässt; davon schulden Sie { $sum2 }
fee-if-theirs = { $sum }, wenn eine Seite sie entscheiden lässt; die andere Seite schuldet es
fee-if-yours = { $sum }, wenn eine Seite sie entscheiden lässt; Sie schulden es
fee-part = { $sum }; davon schulden Sie { $sum2 }
fee-theirs = { $sum }; die andere Seite schuldet es
fee-yours = { $sum }; Sie schulden es
caution-alike = „{ $name }“ sieht aus wie „{ $other }“, den Sie kennen, und ist ein anderer
caution-near = { $count ->
    [one] „{ $name }“ unterscheidet sich von „{ $other }“, den Sie kennen, um einen Buchstaben
   *[other] „{ $name }“ unterscheidet sich von „{ $other }“, den Sie kennen, um { $count } Buchstaben
}
caution-scripts = „{ $name }“ mischt Buchstaben mehrerer Schriften
caution-hidden = „{ $name }“ enthält Zeichen, die man nicht sieht
caution-known = „{ $name }“ heißt jemand, den Sie kennen
caution-replaces = es tritt an die Stelle des Programms dieses Namens, das Sie am { $moment } hereingelassen haben
caution-overdue-since = die Sperrliste von „{ $name }“ ist überfällig seit { $moment }
caution-overdue = die Sperrliste von „{ $name }“ ist überfällig
way-purse = die Geldbörse
says-buyer = Käufer
says-merchant = Händler
says-nobody = niemand
says-strong = stark: Sie bekommen, was hier versprochen ist, oder die andere Seite bekommt nichts von Ihnen
says-weak = SCHWACH: wenn die andere Seite betrügt, bleibt Ihnen ein Beweis davon und sonst nichts
says-way-gg = beide versprechen, dann liefern beide; bei einer Störung vollendet es die dritte Stelle
says-way-ge = eine Seite verspricht, die andere zahlt endgültig; die dritte Stelle vollendet es, wenn sie gefragt wird
says-way-ger = eine Seite verspricht, die andere zahlt; bei einer Störung vollendet es die dritte Stelle oder macht es rückgängig
says-way-rr = beide zahlen vorläufig; bei einer Störung holt die dritte Stelle beides zurück
says-way-hl = das Geld öffnet sich mit dem Schlüssel der Information; keine dritte Stelle entscheidet
says-way-inline = beide hinterlegen bei der dritten Stelle, die beides aushändigt
says-way-wg = beide versprechen, und keines der Versprechen kann vorher geprüft werden
says-may-look = sehen, mit wem Sie gehandelt haben, und Geschäftsbedingungen lesen
says-may-shop = Einkäufe beginnen, für Sie suchen, auswählen und ausfüllen
says-may-receipts = Belege der Einkäufe lesen, die es begonnen hat
says-may-never = entscheiden, unterschreiben oder bezahlen; Ihre Schlüssel sehen, oder was andere begonnen haben
says-code = { $code } — derselbe muss bei dem Programm stehen
says-unchecked = unbekannt: niemand hat ihn geprüft

means-agreement = Sie und die andere Seite sind an diese Geschäftsbedingungen gebunden; Sie bestellen und zahlen noch nichts.
means-unexamined = NIEMAND, DEM SIE VERTRAUEN, HAT DIESEN DIENST GEPRÜFT: er kann Ihnen nur etwas zeigen und nach Angaben fragen.
means-powerless = Er kann nicht zahlen, nicht unterschreiben und nicht erfahren, wer Sie sind, wenn Sie es ihm nicht sagen.
means-offer = Sie müssen zu diesem Preis liefern, bis das Angebot endet.
means-order = Sie kaufen für { $amount }; die Bestellung bindet Sie.
means-payment-order = Das Geld verlässt Ihr Konto sofort und kann nicht zurückgerufen werden.
means-payment-confirmation = Sie bestätigen, dass Geld bewegt wurde.
means-receipt = Sie bestätigen, dass Sie das Geld haben.
means-shipping = Sie bestätigen, dass die Ware unterwegs ist.
means-completion = Sie bestätigen, dass das Geschäft erledigt ist; niemand schuldet daraus noch etwas.
means-withdrawal = Sie steigen aus; nichts wurde bestellt.
means-locked = Ihr Geld wird sofort bei Ihrer Bank gesperrt; Sie bekommen es zurück, wenn aus dem Tausch nichts wird.
means-weak = VORSICHT: was Sie geben, kann verloren sein; Sie hätten einen Beweis davon.
means-hold = Das Geld verlässt Ihr Konto und wird bei Ihrer Bank gesperrt.
means-hold-goes = Es geht an die andere Seite, wenn Sie es freigeben oder die dritte Stelle so entscheidet, und kommt sonst zu Ihnen zurück.
means-leaves = Das Geld verlässt Ihr Konto.
means-taken-back = Die dritte Stelle kann es zurückholen, wenn der Tausch scheitert.
means-at-once = Ihr Geld wird sofort gezahlt.
means-reversible = Bis { $moment } kann Ihre Bank es zurückholen, wenn die dritte Stelle es sagt; dafür muss Ihr Host laufen und die dritte Stelle vor { $moment2 } erreichen.
means-stays = Sonst bleibt es gezahlt.
means-for-good = Ihr Geld ist endgültig gezahlt, sobald die andere Seite versprochen hat.
means-made-good = Kommt nichts dafür, macht die dritte Stelle das gut; dafür muss Ihr Host laufen und die dritte Stelle vor { $moment } erreichen.
means-exchange = Sie geben { $gives } und bekommen { $gets }, oder nichts von beidem geschieht.
means-exchange-final = Sie geben { $gives } und bekommen { $gets }.
means-pairing = Das Programm darf das von jetzt an, bis Sie es ihm wieder nehmen.
means-pairing-yours = Es bestellt und bezahlt nichts: Jede Entscheidung bleibt Ihre.
means-link = Die Bedingungen des Ladens werden geholt und geprüft.
means-link-open = Nichts wird bestellt, und was der Verweis ausfüllt, können Sie ändern.

help-window-name = Was dieses Fenster ist
help-window = Es ist der eine Ort, an dem Sie sehen, was wirklich in Ihrem Namen geschieht. Es läuft auf Ihrem Computer, hat Ihre Schlüssel und unterschreibt nur, was es zeigt. Ihr Name, Ihr Spruch und Ihr Bild stehen oben. Ein Fenster ohne sie ist nicht dieses.
help-decision-name = Wie eine Entscheidung aussieht
help-decision = Eine Entscheidung hat eckige Ecken, einen doppelten Rand und ein gestreiftes Band mit den Worten IHRE ENTSCHEIDUNG. Was darin steht, wurde aus genau den Bytes gelesen, die unterschrieben werden. Sie können antworten, wenn die Tastatur einen Augenblick geruht hat und alles auf dem Bildschirm war.
help-service-name = Wie Worte eines Dienstes aussehen
help-service = Was der Dienst eines Händlers sagt, steht in einem Kasten mit runden Ecken und gestricheltem Rand. Niemand hat es geprüft. Eine Antwort dort unterschreibt nichts und zahlt nichts.
help-signature-name = Was eine Unterschrift ist
help-signature = Eine Unterschrift mit Ihrem Schlüssel bindet Sie wie eine auf Papier. Jeder kann später prüfen, dass sie von Ihnen ist und dass nichts verändert wurde. Sie kann nicht zurückgenommen werden.
help-certificate-name = Was ein Zertifikat ist
help-certificate = Ein Zertifikat sagt, wem ein Schlüssel gehört. Eine Stelle, der Sie glauben, hat geprüft, wer darum gebeten hat. Es endet nach einiger Zeit und kann widerrufen werden, wenn ein Schlüssel verloren geht.
help-organisation-name = Was eine prüfende Organisation ansieht
help-organisation = Verbraucherorganisationen prüfen das Programm, das für einen Dienst auf Ihrem Computer läuft: was es fragen, unterschreiben und zahlen darf, ob seine Schritte so gehen, wie die Bedingungen sagen, und was Sie tun können, wenn etwas schiefgeht. Sie bürgen nicht für Waren oder Preise. Wo steht, dass niemand, dem Sie vertrauen, einen Dienst geprüft hat, da hat ihn niemand geprüft, dem Sie glauben.
help-receipt-name = Was eine Quittung ist
help-receipt = Eine Quittung ist die Unterschrift des Händlers darunter, dass er Ihr Geld hat. Sie liegt in Ihrem Archiv mit allem, was sie beweist. Ein Fremder kann sie noch nach Jahren ohne dieses Programm prüfen.
help-phrase-name = Was die Passphrase ist
help-phrase = Die Passphrase öffnet Ihre Schlüssel, wenn dieses Fenster startet und wenn es gesperrt war: von Ihnen, oder weil eine Viertelstunde niemand da war. Sie steht nirgends und verlässt diesen Computer nie. Niemand kann sie wiederherstellen. Nehmen Sie mehrere Wörter, die nur Sie zusammenstellen würden, und sagen Sie sie niemandem, wer auch fragt.
help-keys-name = Nur mit der Tastatur
help-keys = Tab und Umschalt-Tab gehen von einem zum nächsten, Leertaste und Eingabetaste nehmen es. Bild ab und Bild auf blättern, die Pfeiltasten rollen eine Entscheidung. Was die Tastatur hat, hat einen dicken Rand. Strg L sperrt das Fenster.
