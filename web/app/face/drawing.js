/** The figure as SVG: what does not move, with places for what does. Drawn for this page; free like the rest of it. */

/** @typedef {import("./looks.js").Look} Look */

const SKIN = "#fff0e6";
const SKIN_SHADE = "#f6cdbb";

/** @param {Look} look @param {string} id makes the names of gradients its own: there may be several on a page */
const gradients = (look, id) => `
<defs>
  <linearGradient id="${id}-hair" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${look.hair}"/><stop offset="1" stop-color="${look.shade}"/></linearGradient>
  <linearGradient id="${id}-back" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${look.shade}"/><stop offset="1" stop-color="${look.deep}"/></linearGradient>
  <linearGradient id="${id}-iris" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${look.eyeDeep}"/><stop offset=".5" stop-color="${look.eye}"/>
    <stop offset="1" stop-color="${look.eye}"/></linearGradient>
  <radialGradient id="${id}-blush"><stop offset="0" stop-color="#ff7d95" stop-opacity=".75"/>
    <stop offset="1" stop-color="#ff7d95" stop-opacity="0"/></radialGradient>
  <linearGradient id="${id}-face" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${SKIN_SHADE}"/><stop offset=".34" stop-color="${SKIN}"/>
    <stop offset="1" stop-color="${SKIN}"/></linearGradient>
  <clipPath id="${id}-left"><path class="opening"/></clipPath>
  <clipPath id="${id}-right"><path class="opening"/></clipPath>
  <clipPath id="${id}-mouth"><path class="inside"/></clipPath>
</defs>`;

/** @param {Look} look @param {string} id */
function backHair(look, id) {
  const long = "M200 40C92 36 58 116 62 206C65 272 46 318 30 392C26 414 34 430 48 438C50 428 54 420 60 414C62 432 74 446 92 452C94 440 98 430 106 424L294 424C302 430 306 440 308 452C326 446 338 432 340 414C346 420 350 428 352 438C366 430 374 414 370 392C354 318 335 272 338 206C342 116 308 36 200 40Z";
  const short = "M200 40C94 36 62 114 66 204C68 260 60 300 76 338C84 334 90 330 94 324C98 340 108 350 124 354C126 346 130 340 136 334L264 334C270 340 274 346 276 354C292 350 302 340 306 324C310 330 316 334 324 338C340 300 332 260 334 204C338 114 306 36 200 40Z";
  return `<path fill="url(#${id}-back)" d="${look.long ? long : short}"/>`;
}

/** @param {Look} look */
const body = (look) => `
<g stroke-linejoin="round">
  <path fill="${SKIN_SHADE}" d="M172 300L168 352L200 396L232 352L228 300Z"/>
  <path fill="${look.coat}" d="M52 480C56 412 96 386 164 360L200 392L236 360C304 386 344 412 348 480Z"/>
  <path fill="#fff" d="M166 350L200 394L152 420L128 374Q146 358 166 350ZM234 350L200 394L248 420L272 374Q254 358 234 350Z"/>
  <path fill="none" stroke="${look.coat}" stroke-width="3" d="M138 378L155 411L192 391M262 378L245 411L208 391"/>
  <path fill="${look.ribbon}" d="M200 396C180 382 160 386 158 400C158 418 182 420 200 404C218 420 242 418 242 400C240 386 220 382 200 396Z"/>
  <path fill="${look.ribbon}" d="M195 404L178 444L197 432L200 410L203 432L222 444L205 404Z"/>
  <path fill="#000" opacity=".09" d="M158 400C158 418 182 420 200 404C184 408 166 408 158 400ZM242 400C242 418 218 420 200 404C216 408 234 408 242 400Z"/>
  <rect x="191" y="392" width="18" height="18" rx="7" fill="${look.ribbon}" stroke="#fff" stroke-opacity=".55" stroke-width="2"/>
  <path fill="none" stroke="#fff" stroke-opacity=".15" stroke-width="3" d="M96 480C98 444 108 424 122 410M304 480C302 444 292 424 278 410"/>
</g>`;

/** @param {string} id */
const head = (id) => `
<path fill="url(#${id}-face)" d="M108 196C105 246 116 280 146 304C168 321 186 331 194 333.500Q200 335.500 206 333.500C214 331 232 321 254 304C284 280 295 246 292 196C290 128 250 104 200 104S110 128 108 196Z"/>
<path fill="${SKIN_SHADE}" opacity=".55" d="M172 322C188 340 212 340 228 322L228 338C216 352 208 356 200 356S184 352 172 338Z"/>
<g class="blush"><ellipse cx="137" cy="277" rx="26" ry="14" fill="url(#${id}-blush)"/>
  <ellipse cx="263" cy="277" rx="26" ry="14" fill="url(#${id}-blush)"/>
  <path stroke="#f0708c" stroke-opacity=".5" stroke-width="2" stroke-linecap="round" d="M127 279l5-8M136 280l5-8M259 280l5-8M268 279l5-8"/></g>
<path fill="none" stroke="#d99a8b" stroke-width="2" stroke-linecap="round" d="M198 276q3 3 5 .500"/>`;

/** @param {string} id @param {"left" | "right"} side */
const eyeParts = (id, side) => `
<g transform="translate(${side === "left" ? 152 : 248} 238) scale(${side === "left" ? "" : "-"}1.14 1.14)">
  <path class="opening" fill="#fff"/>
  <g clip-path="url(#${id}-${side})">
    <rect x="-32" y="-40" width="64" height="22" fill="#cdbcd0" opacity=".5"/>
    <g class="iris ${side}"><ellipse rx="18.5" ry="25" fill="url(#${id}-iris)"/>
      <g class="pupil"><ellipse rx="8" ry="12" fill="#2a3048"/></g>
      <ellipse cy="14" rx="10" ry="6" fill="#fff" opacity=".28"/></g>
    <g class="shine ${side}"><ellipse cx="${side === "left" ? -7 : 7}" cy="-10" rx="6.5" ry="7.5" fill="#fff"/>
      <circle cx="${side === "left" ? 8 : -8}" cy="10" r="3.4" fill="#fff" opacity=".9"/></g>
  </g>
  <path class="lash" fill="#57323f"/>
  <path class="crease" fill="none" stroke="#c98d86" stroke-width="1.8" stroke-linecap="round"/>
  <path class="under" fill="none" stroke="#8d5a62" stroke-width="2" stroke-linecap="round"/>
</g>`;

/** @param {string} id */
const mouthParts = (id) => `
<g transform="translate(200 302)">
  <path class="inside" fill="#a83a4e"/>
  <g clip-path="url(#${id}-mouth)"><ellipse class="tongue" fill="#f08a93"/></g>
  <path class="line" fill="none" stroke="#8f3f4d" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/>
</g>`;

/** @param {Look} look @param {string} id */
const frontHair = (look, id) => `
<g stroke="${look.deep}" stroke-opacity=".35" stroke-width="1.5" stroke-linejoin="round">
  <path fill="url(#${id}-hair)" d="${look.long
    ? "M94 160C66 232 92 300 70 366C66 386 72 412 88 432C88 416 94 404 100 396C102 408 106 418 112 424C110 398 120 374 120 340C120 298 106 262 116 210ZM306 160C334 232 308 300 330 366C334 386 328 412 312 432C312 416 306 404 300 396C298 408 294 418 288 424C290 398 280 374 280 340C280 298 294 262 284 210Z"
    : "M94 160C70 222 84 276 78 318C80 332 86 340 94 346C95 338 98 332 102 328C104 336 108 342 114 346C110 316 108 262 118 210ZM306 160C330 222 316 276 322 318C320 332 314 340 306 346C305 338 302 332 298 328C296 336 292 342 286 346C290 316 292 262 282 210Z"}"/>
  <path fill="url(#${id}-hair)" d="M200 34C112 30 70 96 80 192C82 216 88 232 96 246C99 220 108 196 124 174C121 196 123 212 130 226C137 200 150 178 170 158C166 180 169 202 180 222C184 194 194 172 210 154C209 178 216 200 230 216C231 192 236 174 240 158C256 178 266 200 270 226C277 212 279 196 276 174C292 196 301 220 304 246C312 232 318 216 320 192C330 96 288 30 200 34Z"/>
</g>
<path fill="none" stroke="${look.shine}" stroke-width="9" stroke-linecap="round" opacity=".75" d="M112 128C122 106 142 90 166 84M182 80q9 -2 16 -2M284 96q8 8 12 18"/>
<path fill="none" stroke="${look.deep}" stroke-opacity=".4" stroke-width="1.6" stroke-linecap="round" d="M198 38C178 72 168 112 169 154M208 38C226 76 238 116 240 156M190 38C156 60 132 112 125 170M216 38C252 66 270 122 275 172"/>
<path fill="url(#${id}-hair)" stroke="${look.deep}" stroke-opacity=".35" stroke-width="1.5" d="M195 38C184 20 192 4 214 0C205 10 206 20 218 26C211 27 206 31 204 38Z"/>
<g transform="translate(290 136) rotate(26)">
  <path fill="${look.clip}" stroke="#fff" stroke-width="3" stroke-linejoin="round" d="M0 -18C14 -18 19 -12 17 -3C14 8 6 17 0 19C-6 17 -14 8 -17 -3C-19 -12 -14 -18 0 -18Z"/>
  <path fill="#fff" opacity=".85" d="M0 -10L2.6 -3.4L9 -3L4 1.2L5.8 8L0 4.2L-5.8 8L-4 1.2L-9 -3L-2.6 -3.4Z"/>
</g>`;

/** Small signs of an emotion, as comics have them; one is shown at a time. */
const MARKS = `
<path class="mark sweat" fill="#9fd8f2" stroke="#5aa7cc" stroke-width="1.5" d="M304 196C294 214 294 226 304 227S314 214 304 196Z"/>
<path class="mark tear" fill="#a9def5" stroke="#6bb4d8" stroke-width="1.3" d="M126 272C118 286 118 297 126 298S134 286 126 272Z"/>
<g class="mark vein" fill="none" stroke="#e2455f" stroke-width="5" stroke-linecap="round"><path d="M292 66q10 -2 11 -13M309 53q1 11 12 12M321 72q-11 1 -12 12M303 84q-1 -11 -12 -11"/></g>
<g class="mark sparkle" fill="#ffd166"><path d="M74 92l5 13 13 5 -13 5 -5 13 -5 -13 -13 -5 13 -5Z"/><path d="M338 208l3 9 9 3 -9 3 -3 9 -3 -9 -9 -3 9 -3Z"/><path d="M98 62l2.4 6.4 6.4 2.4 -6.4 2.4 -2.4 6.4 -2.4 -6.4 -6.4 -2.4 6.4 -2.4Z"/></g>
<g class="mark gloom" stroke="#7f8fc4" stroke-width="2.6" stroke-linecap="round" opacity=".75"><path d="M120 268v16M129 272v20M138 274v16M262 274v16M271 272v20M280 268v16"/></g>`;

/** @param {Look} look @param {string} id */
export function drawing(look, id) {
  const brows = ["left", "right"].map((side) => `
<g transform="translate(${side === "left" ? 150 : 250} 192)${side === "left" ? "" : " scale(-1 1)"}"><path class="brow" fill="${look.deep}"/></g>`);
  return `<svg viewBox="0 -16 400 476" aria-hidden="true" focusable="false">${gradients(look, id)}
<g class="figure"><g class="swing">${backHair(look, id)}</g>${body(look)}
<g class="head">${head(id)}${eyeParts(id, "left")}${eyeParts(id, "right")}${mouthParts(id)}${frontHair(look, id)}
${brows.join("")}${MARKS}</g></g></svg>`;
}

