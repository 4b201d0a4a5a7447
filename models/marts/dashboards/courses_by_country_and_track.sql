-- One row per course, country and enrolment track: how many learners took which step in any run.
with

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

learners as (
    select * from {{ ref('learners') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

-- in any run, also in one that does not decide the track
ever_verified as (
    select distinct
        details.learner_id,
        details.course
    from course_instancedetails as details
    inner join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
    where enrollment_tracks.is_verified
),

final as (
    select
        learner_courses.course,
        learner_courses.position,
        {{ known_country('learners.country') }} as country,
        {{ known_track('learner_courses.enrollment_track', 'enrollment_tracks.track') }} as enrollment_track,
        count(*) as learners,
        count(*) filter (where learner_courses.best_grade > 0) as attempted,
        count(*) filter (where learner_courses.ever_passed) as passed,
        count(ever_verified.learner_id) as verified,
        count(*) filter (where learner_courses.is_certificate_eligible) as certificate_eligible,
        count(*) filter (where learner_courses.is_verified_passed) as verified_passed,
        count(*) filter (where learner_courses.is_audit_passed) as audit_passed
    from learner_courses
    inner join learners on learner_courses.student_id = learners.student_id
    left join ever_verified
        on
            learner_courses.student_id = ever_verified.learner_id
            and learner_courses.course = ever_verified.course
    left join enrollment_tracks on learner_courses.enrollment_track = enrollment_tracks.track
    group by
        learner_courses.course,
        learner_courses.position,
        {{ known_country('learners.country') }},
        {{ known_track('learner_courses.enrollment_track', 'enrollment_tracks.track') }}
)

select * from final
