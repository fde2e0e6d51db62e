"""Synthetic labeled pictures: texts set in many faces, marked on surfaces and photographed.

==================================  ================================================
To add                              edit
==================================  ================================================
a marking style (engraved, ...)     ``marking_styles.MARKING_STYLES``
a material or a surface             ``materials.MATERIALS``, ``surfaces.SURFACES``
something that looks like text      ``clutter_kinds.CLUTTER_KINDS``
a face without a font file          ``built_in_faces.built_in_faces``
texts of codes, labels, captions    the lists in ``data/``
what stands around a string         ``neighborhood.surround``
an effect of the camera             ``camera.Camera``
==================================  ================================================

``scenes`` renders whole pictures for the detector, ``strips`` one string for the recognizer,
``crops`` single characters for the classifier, ``code_scenes`` one code of a pattern, ``plain``
clean print, and ``writer`` puts them on disk. The same seed always gives the same picture.
"""
