"""The parts that the demo's invented people are put together from."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_EN = _words(
    "Ada Alba Alec Alma Amos Anya Arlo Aster Avery Basil Bea Blythe Briar Cai Callum Celia Clem "
    "Cora Dara Delia Dora Edda Eli Elsie Ember Enid Esme Ewan Fern Finn Flora Freya Gwen Hal "
    "Hazel Hugo Ida Ines Iris Ivo Jem Joel Juno Kit Lark Leif Lena Linus Lois Luca Mabel Maeve "
    "Marlo Mina Nell Nico Nora Oona Orla Otis Otto Perry Piper Quinn Rafe Rhea Robin Rowan Rufus "
    "Sage Selma Silas Tess Thea Toby Una Vera Wren Yara Zeno"
)
SURNAME_HEADS_EN = _words(
    "Alder Ash Barrow Birch Brack Bram Brindle Calder Cinder Corn Dapple Dun Elder Fallow Fen "
    "Gorse Hallow Harrow Hazel Heather Holm Ivy Juniper Kestrel Lark Linden Marl Mead Merrow "
    "Moss Nettle Oaken Otter Pell Quill Reed Rill Sedge Sorrel Starling Tarn Thistle Umber Vetch "
    "Wick Willow Yarrow"
)
SURNAME_TAILS_EN = _words(
    "beck bourne brook bury combe cote croft dale field ford gate holt hurst leigh low mere more "
    "ridge shaw stead stow thwaite ton wade well wick worth"
)
GIVEN_RU = _words(
    "Агата Алиса Арина Богдан Варя Глеб Дарина Демид Ева Елисей Злата Игнат Клим Лада Лев Мира "
    "Назар Ника Платон Рада Савва Стеша Тимур Ульяна Федот Юна Яна Яромир"
)
SURNAME_HEADS_RU = _words(
    "Берёз Вереск Ветров Грачин Зарян Звонар Калинов Клевер Луговин Мятлин Ольхов Полян Росин "
    "Рябин Светлян Снежин Тальник Травин Черёмух Ясен"
)
SURNAME_TAILS_RU = _words("енко ич ович ко юк")
SURNAMES_ZH = _words("林 江 陆 叶 梅 柳 云 溪 苏 阮 温 白 石 安 秋 禾")
GIVEN_ZH = _words("青 禾 月 岚 川 星 宁 舟 晴 朗 秋 棠 竹 雨 松 溪 言 墨 夏 知 遥 澄")

# 555-0100 to 555-0199 is reserved for fiction in every area code of the North American plan.
AREA_CODES = _words(
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 "
    "239 240 248"
)
