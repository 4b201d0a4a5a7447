-- One row per learner, course run and kind of change since the run's previous download.
with

learner_course_history as (
    select * from {{ ref('learner_course_history') }}
),

downloads as (
    select * from {{ ref('int_downloads') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

states as (
    select
        history.*,
        history.grade >= courses.pass_grade as has_passed,
        history.certificate_eligible = 'Y' as is_certified,
        coalesce(enrollment_tracks.is_verified = 'true', false) as is_verified,
        history.is_reported and coalesce(history.enrollment_status, '') != 'unenrolled' as is_enrolled
    from learner_course_history as history
    inner join courses on history.course = courses.course
    left join enrollment_tracks on history.enrollment_track = enrollment_tracks.track
),

newest_downloads as (
    select *
    from downloads
    where previous_reported_at is not null and next_reported_at is null
),

moves as (
    select
        newest.reported_at as changed_at,
        newest.previous_reported_at,
        now_state.learner_id,
        now_state.course,
        now_state.course_instance,
        [
            (
                'newly passed',
                now_state.has_passed and not coalesce(previous_state.has_passed, false),
                'grade ' || previous_state.grade, 'grade ' || now_state.grade
            ),
            (
                'newly certified',
                now_state.is_certified and not coalesce(previous_state.is_certified, false),
                'certificate_eligible ' || previous_state.certificate_eligible,
                'certificate_eligible ' || now_state.certificate_eligible
            ),
            (
                'upgraded',
                now_state.is_verified and not coalesce(previous_state.is_verified, true),
                'track ' || previous_state.enrollment_track, 'track ' || now_state.enrollment_track
            ),
            (
                'unenrolled',
                now_state.enrollment_status = 'unenrolled' and coalesce(previous_state.is_enrolled, false),
                previous_state.enrollment_status, now_state.enrollment_status
            ),
            (
                'came back',
                now_state.is_enrolled and not coalesce(previous_state.is_enrolled, true),
                if(previous_state.is_reported, previous_state.enrollment_status, 'not in the report'),
                coalesce(now_state.enrollment_status, 'in the report')
            ),
            (
                'not in the report',
                not now_state.is_reported and previous_state.is_reported,
                coalesce(previous_state.enrollment_status, 'in the report'), 'not in the report'
            ),
        ] as kinds
    from newest_downloads as newest
    inner join states as now_state
        on newest.course_instance = now_state.course_instance and newest.reported_at = now_state.valid_from
    left join states as previous_state
        on
            now_state.course_instance = previous_state.course_instance
            and now_state.learner_id = previous_state.learner_id
            and now_state.valid_from = previous_state.valid_to
),

unfolded as (
    select
        learner_id,
        course,
        course_instance,
        previous_reported_at,
        changed_at,
        unnest([kind for kind in kinds if kind[2]]) as kind
    from moves
),

final as (
    select
        learner_id,
        course,
        course_instance,
        kind[1] as change,
        previous_reported_at,
        changed_at,
        kind[3] as before,
        kind[4] as after
    from unfolded
)

select * from final
