// Texts and queries of the demo. The small model was trained on descriptions of programs, so the
// texts are about programs. The best match of each query is a text in another language.

export const instruction = 'Given a short summary, retrieve the software package it describes';

/** Tags of the texts that are source code. */
export const programmingLanguages = ['py', 'c', 'sh', 'js'];

/** [language, text] */
export const texts = [
  [
    'en',
    'Keeps the clocks of many computers in step over the network, to within a few microseconds.',
  ],
  [
    'de',
    'Verwaltet Kochrezepte, rechnet Mengen auf die Zahl der Gäste um und druckt Einkaufslisten.',
  ],
  ['fr', 'Logiciel de dessin vectoriel : courbes, dégradés, calques et export au format SVG.'],
  [
    'es',
    'Cliente de correo electrónico para la terminal, con filtros, firmas y cifrado de mensajes.',
  ],
  ['it', 'Programma per comporre partiture musicali e stamparle con qualità tipografica.'],
  [
    'pt',
    'Monitora a temperatura do processador e a velocidade das ventoinhas e avisa quando algo ' +
      'esquenta demais.',
  ],
  [
    'ru',
    'Программа для записи и обработки звука: монтаж нескольких дорожек, подавление шума, эффекты.',
  ],
  ['ja', '写真のアルバムを管理し、撮影日や場所で整理できるソフトウェアです。'],
  ['zh', '一个轻量级的网页服务器，支持加密连接、反向代理和负载均衡。'],
  ['ko', '여러 컴퓨터에 있는 폴더를 암호화하여 자동으로 동기화하는 프로그램입니다.'],
  ['pl', 'Gra logiczna, w której przesuwa się skrzynie po magazynie na wyznaczone miejsca.'],
  ['cs', 'Nástroj pro obnovu smazaných souborů z poškozených disků a paměťových karet.'],
  ['uk', 'Планетарій для настільного комп’ютера: показує зоряне небо з будь-якого місця Землі.'],
  ['da', 'Regneark med formler, diagrammer og import af filer fra andre kontorpakker.'],
  ['en', 'Checks the spelling of a text in many languages and suggests corrections.'],
  ['en', 'Downloads videos from web sites and converts them to other formats.'],
  ['en', 'A compiler for the C language that is small, fast and fits on a floppy disk.'],
  ['en', 'Reads bar codes and QR codes from the camera or from picture files.'],
  ['de', 'Ein Passwortspeicher: erzeugt sichere Kennwörter und legt sie verschlüsselt ab.'],
  ['de', 'Zeichnet den Netzwerkverkehr auf und zerlegt die Pakete hunderter Protokolle.'],
  ['fr', 'Bibliothèque pour lire et écrire des fichiers PDF, en extraire le texte et les images.'],
  ['fr', 'Jeu d’échecs avec plusieurs niveaux de difficulté et analyse des parties.'],
  ['es', 'Sistema de control de versiones distribuido para seguir los cambios del código fuente.'],
  ['es', 'Simulador de circuitos electrónicos con osciloscopio y generador de señales.'],
  ['it', 'Lettore di libri elettronici con segnalibri, note e sincronizzazione della biblioteca.'],
  ['pt', 'Editor de vídeo com várias faixas, transições e correção de cores.'],
  ['ru', 'Сервер баз данных с поддержкой транзакций, репликации и полнотекстового поиска.'],
  ['ja', '端末で動く、軽くて設定しやすいテキストエディタ。構文の色分けに対応しています。'],
  ['zh', '中文输入法，支持拼音和五笔，可以自定义词库。'],
  ['ko', '날씨 예보와 기온을 작업 표시줄에 보여 주는 작은 프로그램.'],
  ['pl', 'Program do nauki słówek metodą powtórek rozłożonych w czasie.'],
  [
    'uk',
    'Засіб резервного копіювання: стискає дані, усуває повтори й зберігає знімки на ' +
      'віддаленому сервері.',
  ],
  [
    'py',
    'def resize(image, width, height):\n    """Scale a picture to the given size."""\n' +
      '    return image.resize((width, height))',
  ],
  [
    'c',
    '/* Compress a buffer with zlib. */\n' +
      'int deflate_buffer(const char *in, size_t n, char *out) { ' +
      'return compress(out, &n, in, n); }',
  ],
  [
    'sh',
    '#!/bin/sh\n# Show which directories use the most disk space.\n' +
      'du -sh -- */ | sort -rh | head -n 10',
  ],
  [
    'js',
    '// Serve the files of a folder over HTTP.\nhttp.createServer((request, response) => ' +
      "fs.createReadStream('.' + request.url).pipe(response)).listen(8080);",
  ],
];

/** [language, query] */
export const queries = [
  ['en', 'photo organizer'],
  ['fr', 'outil pour récupérer des fichiers supprimés'],
  ['ja', 'パスワード管理ソフト'],
  ['de', 'Rechtschreibprüfung'],
  ['zh', '录音并去除噪音'],
  ['es', 'hacer copias de seguridad en un servidor remoto'],
  ['ru', 'симулятор электрических схем'],
  ['pt', 'analisador de pacotes de rede'],
  ['ja', '画像の大きさを変える'],
];
