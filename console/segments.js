// SMS segments, counted as the server counts them (src/domain/sms_segments.rs).

const BASIC = new Set('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà');
const EXTENDED = new Set('\f^{}\\[~]|€');
/** Signs that the server replaces by plain ones if that makes a text GSM-7 (src/domain/typography.rs). */
const PLAIN = [
  [/[\u2018-\u201b\u2032\u2035\u02b9\u02bb-\u02bd\u02c8\u00b4`]/g, "'"],
  [/[\u201c-\u201f\u2033\u2036\u00ab\u00bb]/g, '"'],
  [/[\u2010-\u2015\u2043\u2212]/g, '-'],
  [/\u2026/g, '...'],
  [/[\u2022\u00b7\u2219]/g, '*'],
  [/[\u00a0\u2000-\u200a\u202f]/g, ' '],
];

export const MAX_CHARACTERS = 1600;

function septets(text) {
  let sum = 0;
  for (const character of text) {
    if (/[a-z0-9]/i.test(character) || BASIC.has(character)) sum += 1;
    else if (EXTENDED.has(character)) sum += 2;
    else return null;
  }
  return sum;
}

/** `{segments, characters, left, isGsm}` of a text: how many segments it takes, and what is left in the last. */
export function count(text) {
  const plain = PLAIN.reduce((folded, [sign, by]) => folded.replace(sign, by), text);
  const gsm = septets(plain);
  const [length, single, several] = gsm === null ? [text.length, 70, 67] : [gsm, 160, 153];
  const segments = length <= single ? 1 : Math.ceil(length / several);
  const left = (segments === 1 ? single : segments * several) - length;
  return { segments, characters: [...text].length, left, isGsm: gsm !== null };
}
