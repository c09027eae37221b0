# The window's words in English. Each id stands in every language; a test compares them.

pages = Pages
page-now = Now
page-waiting = Waiting for you
page-deals = Deals
page-archive = Archive
page-accounts = Accounts
page-believed = Whom I believe
page-consents = Standing consents
page-told = Told about me
page-settings = Settings
page-help = Help

head-picture = Your picture. Only your own window shows it beside your phrase.
head-nobody = Nothing is asked of you now.
head-with = With { $peer }
head-certified = Certified by { $who }
head-uncertified = Not certified by anyone you trust
head-lock = Lock
head-lock-key = Ctrl L locks it at any time.

tried-yours = If those were not yours, somebody has been at your computer.
tried-seen = Seen

status-idle = Waiting for your host.
status-yes = You have agreed; the signature is on its way.
status-agreed = You have agreed.
status-no = You have declined.
status-left = You have left.
status-answered = You have answered.
status-withdrawn = The question is not asked any more.
status-unlocked = Unlocked.
status-as-intended = as the terms intend
status-completed = The deal is completed, as the terms intend.
status-opening = Deciding whether to open a deal with { $peer }.
status-signing = Deciding whether to sign: { $title }
status-exchange = Deciding on a fair exchange with { $peer }.
status-pairing = Deciding about the application “{ $name }”.
status-link = Deciding whether to open a link.
status-asks = The service asks: { $topic }
status-filled = NOT CHECKED, by “{ $by }”: { $said } · the service asks: { $topic }
status-answered-by = “{ $name }” has answered “{ $topic }” for you.
status-message = Message { $count } is signed and on its way.

waits-here = Something waits for your answer.
waits-back = Go to it

decision-heading = YOUR DECISION
decision-amount = Money at stake: { $amount }
decision-means = What a yes means
decision-digest = Signs exactly these bytes
decision-topic = Kind
decision-hidden = { $count ->
    [one] One row with keys or digests is left out; the expert view shows it.
   *[other] { $count } rows with keys or digests are left out; the expert view shows them.
}
decision-wait = You can answer in { $seconds } s, when the keyboard is quiet.
decision-read = Read to the end first: Page Down, or scroll. Nothing may be skipped.
decision-binds = A signature here binds you as one on paper.
decision-signs-nothing = Nothing is signed by this.
decision-no = No, I decline
decision-yes = Yes, I sign this
decision-yes-agreement = Yes, open this deal
decision-yes-exchange = Yes, I agree and pay as shown
decision-yes-order = Yes, I order
decision-yes-pairing = Yes, it may shop for me
decision-yes-link = Yes, open it
decision-yes-certificate = Yes, do so
decision-yes-payment-order = Yes, I pay

question-heading = THE SERVICE SAYS — checked by nobody
question-note = These are the service's words and not your computer's. An answer here signs nothing and pays nothing.
question-seen = Seen, go on
question-take = Take this one
question-send = Send these answers
question-leave = Leave the deal

now-nothing = Nothing is asked of you.
now-quiet = When your host opens a deal, asks something, or sends a message, you see it here.
now-deal = Deal with { $peer }

waiting-none = Nothing waits for you.
waiting-now = Asked now: { $peer }

deals-none = There are no deals yet. semper buy begins one.
deals-asks = waits for you
state-running = under way
state-completed = completed
state-withdrawn = left
state-failed = failed
state-disputed = disputed

story-back = All deals
story-state = State
story-opened = Opened
story-changed = Last change
story-until = Waits until
story-id = Number
story-signed = What was signed, in order

steps = Steps
steps-unknown = The terms or the journal of this deal do not say how far it has come.
steps-done = { $what } — { $by }: done
steps-next = { $what } — { $by }: next
steps-next-perhaps = { $what } — { $by }: next, or something else in its place
steps-left = { $what } — { $by }: left to do
steps-perhaps = { $what } — { $by }: perhaps; something else may come in its place
steps-how = Done is certain: it is signed or booked. What is left is the shortest way that the terms provide. The deal may also end before, if a side leaves or a date passes.
steps-none = Nothing is left to do.
steps-you = you
steps-they = the other side
steps-payment = payment
steps-exchange = exchange: { $gives } for { $gets }
steps-information = message “{ $name }”

archive-find = Find
archive-count = { $count ->
    [one] one entry
   *[other] { $written } entries
}
archive-reading = Reading …
archive-none = Nothing has been signed yet.
archive-not-found = Nothing is like that.
archive-with = With
archive-anybody = anybody
archive-month = Month
archive-any-month = any
archive-in = In
archive-out = Out
archive-by-system = By
archive-totals = What has moved, by month
archive-by = by { $signer }
records-again = Try again

kind-agreement = Agreement
kind-offer = Offer
kind-order = Order
kind-payment-order = Payment order
kind-hold-order = Hold order
kind-payment-confirmation = Payment confirmation
kind-receipt = Receipt
kind-shipping-note = Shipping note
kind-completion = Completion
kind-withdrawal = Withdrawal
kind-certificate = Certificate
kind-exchange = Exchange

part-offer = an offer
part-order = an order
part-receipt = a receipt
part-payment-order = a payment order
part-hold-order = a hold order
part-payment-confirmation = a payment confirmation
part-shipping-note = a shipping note
part-completion = a completion
part-withdrawal = a withdrawal
part-information = the information “{ $name }” ({ $bytes } bytes)
part-over = { $part } over { $amount }
part-and = and

accounts-none = This home has no account. semper account open makes one.
accounts-number = Account
accounts-address = Address of the bank
accounts-modes = Pays in these ways
accounts-balance = semper account show asks the bank for the balance.

believed-examines = They examine services for you
believed-authority = They say who somebody is
believed-third-party = They decide when an exchange goes wrong
believed-log = They show in public what was signed
believed-about = For
believed-until = Holds until
believed-key = Key
believed-none = You believe nobody yet. semper trust adds somebody.

told-what = What has been told about you, and to whom. It is shown here as it happens: this window sees what it signs before it is encrypted.
told-none = Nothing has been told about you.
told-lately = Told about you lately
told-line = { $day }: { $what }: { $value } ({ $how })
told-sealed = encrypted to its key of the deal
told-tls = over TLS
told-more = { $count ->
    [one] and one more
   *[other] and { $count } more
 }
told-back = Write to { $to } and ask it back
told-letter = The letter is written: { $file }. Read it, change it if you like, and send it yourself.
told-complain = To complain
told-complain-how = semper archive letter --complain-to ORGANISATION writes to an organisation, such as one that has certified the service. semper archive disclosed lists the same for every deal, also those of before.
consents-asked = This window asks you about everything that binds you. Nothing happens without a question but what stands here.
consents-applications = Programs that may shop for you
consents-none = No program may shop for you.
consents-since = allowed since
consents-use = has begun
consents-unused = no purchase yet
consents-used = { $count ->
    [one] one purchase, on { $last }
   *[other] { $count } purchases, the last on { $last }
}
consents-take-back = Take this back from “{ $who }” …
consents-take-back-now = Yes, take it back from “{ $who }”
consents-keep = No, leave it
consents-then = “{ $who }” may do nothing any more then. What it has begun goes on, and its open questions come to you. If it is to shop again later, it asks you anew.
consents-rules = Rules
consents-rules-how = This window answers by no rules. A TINGUIN without a window can: semper tinguin --rules FILE. You take such a rule back by striking it from the file and starting that TINGUIN anew.
consents-once = What follows from a yes
consents-once-how = Once you have agreed to an exchange, what it takes is signed, and nothing else. Messages of an open deal are signed with the key of the deal, and shown. Both end with the deal; semper cancel leaves one.

settings-language = Language
settings-shade = Light or dark
settings-system = As the computer has it
settings-light = Light
settings-dark = Dark
settings-size = Size of the text
settings-depth = How much is shown
settings-plain = Plain: what everybody needs
settings-expert = Expert: keys, certificates and digests as well
settings-picture = Your own picture: put a file picture.png into your home.

unlock-locked = Locked
unlock-phrase = Neither your phrase nor your picture stands here, where anybody sees it. Both come back with your keys. If you have typed your pass-phrase and do not see them, change it at once.
unlock-ask = Your pass-phrase
unlock-ask-pin = PIN of the token “{ $token }”
unlock-why-pin = Your keys are in the token, or encrypted by it: nothing is signed until you type its PIN. Deals wait for you, and lose nothing.
unlock-open = Open
unlock-why = Your keys are not in memory: nothing is signed until you type your pass-phrase. It stays in this window's process. Deals wait for you, and lose nothing.
unlock-trying = Opening …
unlock-wrong = That was not the pass-phrase. Try again.
unlock-early = { $seconds ->
    [one] There were wrong pass-phrases: the next one can be tried in one second.
   *[other] There were wrong pass-phrases: the next one can be tried in { $seconds } seconds.
}
unlock-wait = The next one can be tried in { $seconds ->
    [one] one second. Starting anew shortens nothing.
   *[other] { $written } seconds. Starting anew shortens nothing.
}
unlock-tried = { $count ->
    [one] One wrong pass-phrase since { $since }.
   *[other] { $written } wrong pass-phrases since { $since }.
}
unlock-waiting = { $count ->
    [one] One question waits for you.
   *[other] { $written } questions wait for you.
}
unlock-failed = The TINGUIN cannot start

row-with = with
row-service = service
row-terms = terms
row-payment-by = payment by
row-messages = messages
row-ends-by = ends by
row-caution = CAUTION
row-order = order
row-bank = bank
row-amount = amount
row-from-account = from account
row-to-account = to account
row-into-account = into account
row-until = until
row-exchange = exchange
row-third-party = third party
row-third-partys-fee = third party's fee
row-delivery = delivery
row-total = total
row-valid-until = valid until
row-offer = offer
row-to-pay = to pay
row-deliver-to = deliver to
row-for = for
row-parcel = parcel
row-arrives-by = arrives by
row-reason = reason
row-you-sign = you sign
row-you-pay = you pay
row-you-give = you give
row-you-get = you get
row-fairness = fairness
row-how = how
row-to-be-accepted-by = to be accepted by
row-decided-by = decided by
row-locked-until-at-most = locked until at most
row-can-be-taken-back-until = can be taken back until
row-begun-by = begun by
row-it-calls-itself = it calls itself
row-its-code = its code
row-its-web-page = its web page
row-it-may = it may
row-it-may-never = it may never
row-not-checked = NOT CHECKED, by “{ $who }”
by-a-link = a link
by-applications = applications
row-a-shop-at = a shop at
row-it-fills-in = it fills in
row-who-made-it = who made it

title-decision = your decision
title-question = a question
title-agreement = Open a deal with { $peer }
title-order = Order from { $peer }
title-offer = Offer { $number } to { $peer }
title-pay = Pay { $sum } to { $peer }
title-pay-provisionally = Pay { $sum } to { $peer }, provisionally
title-lock = Lock { $sum } for { $peer }
title-receipt = Receipt for { $sum } to { $peer }
title-shipping = Shipping note to { $peer }
title-completion = Complete the deal with { $peer }
title-withdrawal = Withdraw from the deal with { $peer }
title-confirm = Confirm a payment
title-exchange = Fair exchange with { $peer }: { $gives } for { $gets }
title-pairing = Let the application “{ $name }” shop for you
title-certificate = Take a certificate
title-replacement = Replace your key
means-certificate = You sign by it in every new deal.
means-certificate-other = If it is not from the authority that you registered with, others will not believe you.
means-replacement = Once the next key is certified, nothing is signed by an older one.
means-replacement-deals = Deals that run by an older one cannot go on.
status-certificate = Deciding about a certificate.
status-replacement = Deciding whether a key is replaced.
status-told-sealed = Told { $name }: { $what } (encrypted to its key of the deal).
status-told-tls = Told { $name }: { $what } (over TLS).
status-connected = Connected with your host “{ $name }” at { $address }.
status-not-connected = Not connected with your host “{ $name }” at { $address }: { $why }
token-away = The token “{ $name }” is not there.
token-plug = The token “{ $name }” is not there: plug it in, then type its PIN. Nothing is lost.
token-wrong = The PIN of the token is wrong.
token-counts = The PIN of the token is wrong, and it counts the wrong ones.
token-last = The PIN of the token is wrong, and one more wrong one locks it for good.
token-locked = The PIN of the token is wrong, and it has locked itself.
row-you-sign-as = you sign as
row-from-now-on-as = from now on as
row-then-certified-by = then certified by
row-certified-by = certified by
row-role = as
row-certified-as = certified as
title-link = Open a link

says-new = { $peer } (new to you)
says-known = { $peer } (dealt with before)
says-encrypted = encrypted
says-clear = in clear
says-each = { $sum } each
says-within = { $count ->
    [one] { $sum }, within a day
   *[other] { $sum }, within { $count } days
}
says-signed = { $summary }, signed by { $peer }
says-unknown = { $digest } — UNKNOWN TO YOUR HOST
says-account = { $number } at { $bank }
says-way = { $way }, at { $bank }
says-more-answers = { $count } more answers to other questions
says-last-of = { $said } (the last of { $count } answers)
summary = { $kind } of { $day }
summary-over = { $kind } of { $day } over { $sum }
summary-offer = offer { $number } of { $day }: { $first } …, { $sum } in total
fee-if-part = { $sum } if either side has it decide; you owe { $sum2 } of it
fee-if-theirs = { $sum } if either side has it decide; the other side owes it
fee-if-yours = { $sum } if either side has it decide; you owe it
fee-part = { $sum }; you owe { $sum2 } of it
fee-theirs = { $sum }; the other side owes it
fee-yours = { $sum }; you owe it
caution-alike = “{ $name }” looks like “{ $other }”, whom you know, and is another
caution-near = { $count ->
    [one] “{ $name }” differs from “{ $other }”, whom you know, by one letter
   *[other] “{ $name }” differs from “{ $other }”, whom you know, by { $count } letters
}
caution-scripts = “{ $name }” mixes letters of several scripts
caution-hidden = “{ $name }” has characters that cannot be seen
caution-known = “{ $name }” is the name of somebody whom you know
caution-replaces = it takes the place of the application of this name, which you let in on { $moment }
caution-overdue-since = the revocation list of “{ $name }” is overdue since { $moment }
caution-overdue = the revocation list of “{ $name }” is overdue
way-purse = the purse
says-buyer = buyer
says-merchant = merchant
says-nobody = nobody
says-strong = strong: you get what is promised here, or the other side gets nothing from you
says-weak = WEAK: if the other side cheats, you are left with proof of it, and nothing else
says-way-gg = both promise, then both deliver; on a fault the third party completes it
says-way-ge = one promises, the other pays for good; the third party completes it, if asked
says-way-ger = one promises, the other pays; on a fault the third party completes or undoes it
says-way-rr = both pay provisionally; on a fault the third party takes both back
says-way-hl = the money opens with the key of the information; no third party decides
says-way-inline = both deposit with the third party, which hands both over
says-way-wg = both promise, and neither promise can be verified beforehand
says-may-look = see with whom you have dealt, and read terms of business
says-may-shop = begin purchases, search, choose and fill in for you
says-may-receipts = read the receipts of purchases that it began
says-may-never = decide, sign or pay; see your keys, or what others have begun
says-code = { $code } — the same must stand at the application
says-unchecked = unknown: nobody has checked it

means-agreement = You and the other side are bound to these terms of business; you order and pay nothing yet.
means-unexamined = NOBODY WHOM YOU TRUST HAS EXAMINED THIS SERVICE: it can only show you things and ask for information.
means-powerless = It cannot pay, sign, or learn who you are unless you tell it.
means-offer = You are bound to deliver at this price until the offer ends.
means-order = You buy for { $amount }; the order binds you.
means-payment-order = The money leaves your account at once and cannot be called back.
means-payment-confirmation = You confirm that money was moved.
means-receipt = You confirm that you have the money.
means-shipping = You confirm that the goods are on their way.
means-completion = You confirm that the deal is done; nothing more is owed by it.
means-withdrawal = You leave; nothing was ordered.
means-locked = Your money is locked at your bank at once; it comes back to you if the exchange comes to nothing.
means-weak = CAUTION: what you give may be lost; you would have proof of it.
means-hold = The money leaves your account and is locked at your bank.
means-hold-goes = It goes to the other side when you let it go or the third party decides so, and comes back to you otherwise.
means-leaves = The money leaves your account.
means-taken-back = The third party can take it back if the exchange fails.
means-at-once = Your money is paid at once.
means-reversible = Until { $moment } your bank can take it back, if the third party says so; for that your host must run and reach the third party before { $moment2 }.
means-stays = Otherwise it stays paid.
means-for-good = Your money is paid for good as soon as the other side has promised.
means-made-good = If nothing comes for it, the third party makes that good; for that your host must run and reach the third party before { $moment }.
means-exchange = You give { $gives } and get { $gets }, or neither happens.
means-exchange-final = You give { $gives } and get { $gets }.
means-pairing = The application may do this from now on, until you take it back.
means-pairing-yours = It orders and pays nothing: every decision stays yours.
means-link = The shop's terms are fetched and checked.
means-link-open = Nothing is ordered, and you can change what the link fills in.

help-window-name = What this window is
help-window = It is the one place where you see what is really done in your name. It runs on your computer, holds your keys, and signs only what it shows. Your name, your phrase and your picture stand at the top. A window without them is not this one.
help-decision-name = How a decision looks
help-decision = A decision has square corners, a double edge and a striped band with the words YOUR DECISION. What stands in it was read from the very bytes that are signed. You can answer when the keyboard has been quiet for a moment and all of it has been on the screen.
help-service-name = How a service's words look
help-service = What a merchant's service says stands in a box with round corners and a dashed edge. Nobody has checked it. An answer there signs nothing and pays nothing.
help-signature-name = What a signature is
help-signature = A signature made with your key binds you as one on paper. Anybody can check later that it is yours and that nothing was changed. It cannot be taken back.
help-certificate-name = What a certificate is
help-certificate = A certificate says to whom a key belongs. An authority that you believe has looked at who asked for it. It ends after some time, and can be revoked when a key is lost.
help-organisation-name = What a certifying organisation looks at
help-organisation = Consumer organisations examine the program that runs on your computer for a service: what it may ask, sign and pay, whether its steps go as the terms say, and what you can do when something goes wrong. They do not vouch for goods or prices. Where it says that nobody whom you trust has certified a service, nobody whom you believe has examined it.
help-receipt-name = What a receipt is
help-receipt = A receipt is the merchant's signature under the words that it has your money. It is kept in your archive with everything that proves it. A stranger can check it years later without this program.
help-phrase-name = What the pass-phrase is
help-phrase = The pass-phrase opens your keys when this window starts, and when it was locked: by you, or after nobody was there for a quarter of an hour. It is kept nowhere and leaves this computer never. Nobody can recover it. Take several words that only you would put together, and tell them to nobody, whoever asks.
help-keys-name = Using the keyboard alone
help-keys = Tab and Shift Tab go from one thing to the next, Space and Enter take it. Page Down and Page Up turn pages, the arrow keys scroll a decision. The thing that has the keyboard has a thick edge. Ctrl L locks the window.
